"""Reading OpenAPI documents into descriptions. Pure: nothing is fetched, stored or sent."""

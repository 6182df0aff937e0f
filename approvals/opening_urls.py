from django.urls import path

from approvals.opening_views import opening

# Beside the pages of credentials, whose room is below this one.
urlpatterns = [path("credentials/<str:credential>/open/", opening, name="credential_open")]

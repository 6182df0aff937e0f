from django.urls import path

from approvals import mandate_views

urlpatterns = [
    path("", mandate_views.mandates, name="mandates"),
    path("ask/<str:action_id>/", mandate_views.ask, name="mandate_ask"),
    path("<str:identity>/revoke/", mandate_views.revoke, name="mandate_revoke"),
]

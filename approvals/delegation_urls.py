from django.urls import path

from approvals import delegation_views

urlpatterns = [
    path("", delegation_views.delegations, name="delegations"),
    path("give/", delegation_views.give, name="delegation_give"),
    path("<str:identity>/end/", delegation_views.end, name="delegation_end"),
]

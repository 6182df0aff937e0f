from django.urls import path

from console.agents import views

urlpatterns = [
    path("", views.list_agents, name="agents"),
    path("new/agent/", views.register_agent, name="agent_register"),
    path("token/<str:token>/revoke/", views.revoke_token, name="agent_token_revoke"),
    path("<slug:slug>/", views.show_agent, name="agent"),
    path("<slug:slug>/token/", views.issue_token, name="agent_token"),
    path("<slug:slug>/retire/", views.retire, name="agent_retire"),
]

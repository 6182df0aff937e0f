from django.urls import path

from console.agents import proposal_views, views

urlpatterns = [
    path("", views.list_agents, name="agents"),
    path("new/agent/", views.register_agent, name="agent_register"),
    path("proposed/grants/", proposal_views.list_proposals, name="proposed_grants"),
    path("proposal/<str:proposal>/give/", proposal_views.give, name="grant_proposal_give"),
    path("proposal/<str:proposal>/decline/", proposal_views.decline, name="grant_proposal_decline"),
    path("token/<str:token>/revoke/", views.revoke_token, name="agent_token_revoke"),
    path("<slug:slug>/", views.show_agent, name="agent"),
    path("<slug:slug>/token/", views.issue_token, name="agent_token"),
    path("<slug:slug>/retire/", views.retire, name="agent_retire"),
]

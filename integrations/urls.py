from django.urls import path

from integrations import (
    amend_views,
    authorize_views,
    credential_views,
    describe_views,
    grant_views,
    import_views,
    leak_views,
    mcp_views,
    views,
)
from integrations.webhooks import views as webhook_views

urlpatterns = [
    path("", views.list_integrations, name="integrations"),
    path("calls/made/", views.list_calls, name="calls"),
    path("leaks/look-up/", leak_views.look_up_leak, name="leak"),
    path("connect/openapi/", import_views.connect_openapi, name="connect_openapi"),
    path("imports/<str:import_id>/", import_views.show_import, name="import"),
    path("connect/mcp/", mcp_views.connect, name="connect_mcp"),
    path("connect/yaml/", describe_views.connect, name="connect_yaml"),
    path("<slug:slug>/tools/", mcp_views.tools, name="tools"),
    path("<slug:slug>/tools/look/", mcp_views.look, name="tools_look"),
    path("<slug:slug>/tools/add/", mcp_views.add, name="tools_add"),
    path("<slug:slug>/", views.show_integration, name="integration"),
    path("<slug:slug>/changes/", amend_views.changes, name="changes"),
    path("<slug:slug>/changes/decide/", amend_views.decide, name="changes_decide"),
    path("<slug:slug>/credential/", grant_views.seal, name="credential_seal"),
    path("<slug:slug>/grant/", grant_views.give, name="grant_give"),
    path("grants/<str:grant>/revoke/", grant_views.take_back, name="grant_revoke"),
    path("credentials/<str:credential>/authorization/", authorize_views.authorize, name="credential_authorize"),
    path("credentials/authorized/", authorize_views.authorized, name="credential_authorized"),
    path("credentials/<str:credential>/", credential_views.show, name="credential"),
    path("credentials/<str:credential>/test/", credential_views.test, name="credential_test"),
    path("credentials/<str:credential>/revoke/", credential_views.revoke, name="credential_revoke"),
    path("<slug:slug>/webhooks/add/", webhook_views.add, name="webhook_add"),
    path("webhooks/<str:webhook>/", webhook_views.show, name="webhook"),
    path("webhooks/<str:webhook>/secret/", webhook_views.rotate, name="webhook_secret"),
    path("webhooks/<str:webhook>/end/", webhook_views.end, name="webhook_end"),
    path("webhooks/secrets/<str:secret>/end/", webhook_views.end_one_secret, name="webhook_secret_end"),
    path("operation/<str:operation>/", amend_views.review, name="review_operation"),
]

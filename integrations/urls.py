from django.urls import path

from integrations import import_views, views

urlpatterns = [
    path("", views.list_integrations, name="integrations"),
    path("connect/openapi/", import_views.connect_openapi, name="connect_openapi"),
    path("<slug:slug>/", views.show_integration, name="integration"),
]

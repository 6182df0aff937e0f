from django.urls import path

from integrations import views

urlpatterns = [
    path("", views.list_integrations, name="integrations"),
    path("<slug:slug>/", views.show_integration, name="integration"),
]

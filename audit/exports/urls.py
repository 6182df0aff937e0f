from django.urls import path

from audit.exports import views

urlpatterns = [
    path("", views.exports, name="exports"),
    path("new/", views.ask, name="export_request"),
    path("<str:export_id>/", views.export, name="export"),
    path("<str:export_id>/download/", views.take, name="export_download"),
]

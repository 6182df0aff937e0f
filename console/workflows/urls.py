from django.urls import path

from console.workflows import views

urlpatterns = [
    path("", views.list_workflows, name="workflows"),
    path("publish/", views.publish, name="workflow_publish"),
    path("<slug:slug>/", views.show_workflow, name="workflow"),
]

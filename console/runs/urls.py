from django.urls import path

from console.runs import views

urlpatterns = [
    path("", views.runs, name="runs"),
    path("new/<slug:slug>/", views.start, name="run_start"),
    path("<str:run_id>/", views.run, name="run"),
    path("<str:run_id>/cancellation", views.cancel, name="run_cancel"),
]

from django.urls import path

from console.shadow import views

urlpatterns = [
    path("", views.list_observed, name="shadows"),
    path("shadow.py", views.program, name="shadow_program"),
    path("<slug:slug>/", views.show, name="shadow"),
    path("<slug:slug>/begin/", views.begin, name="shadow_begin"),
    path("<slug:slug>/end/", views.end, name="shadow_end"),
    path("<slug:slug>/forget/", views.forget_seen, name="shadow_forget"),
]

from django.urls import path

from console.shadow import views

# Beside the pages of agents, of whom any may have any name.
urlpatterns = [
    path("shadow/all/", views.list_observed, name="shadows"),
    path("shadow/shadow.py", views.program, name="shadow_program"),
    path("<slug:slug>/shadow/", views.show, name="shadow"),
    path("<slug:slug>/shadow/begin/", views.begin, name="shadow_begin"),
    path("<slug:slug>/shadow/end/", views.end, name="shadow_end"),
    path("<slug:slug>/shadow/forget/", views.forget_seen, name="shadow_forget"),
]

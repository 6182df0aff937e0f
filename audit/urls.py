from django.urls import path

from audit import views

urlpatterns = [
    path("", views.log, name="audit"),
    path("<uuid:record_id>/", views.show_record, name="record"),
]

from django.urls import path

from audit import tree_views, views

urlpatterns = [
    path("", views.log, name="audit"),
    path("tree/", tree_views.show_tree, name="tree"),
    path("<uuid:record_id>/", views.show_record, name="record"),
]

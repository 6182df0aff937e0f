from django.urls import include, path

from audit import erasure_views, hold_views, proof_views, tree_views, views

urlpatterns = [
    path("", views.log, name="audit"),
    path("tree/", tree_views.show_tree, name="tree"),
    path("tree/consistency/", proof_views.tree_consistency, name="tree_consistency"),
    path("holds/", hold_views.holds, name="holds"),
    path("holds/<str:hold_id>/", hold_views.hold, name="hold"),
    path("holds/<str:hold_id>/release/", hold_views.release, name="hold_release"),
    path("exports/", include("audit.exports.urls")),
    path("<uuid:record_id>/", views.show_record, name="record"),
    path("<uuid:record_id>/proof/", proof_views.record_proof, name="record_proof"),
    path("<uuid:record_id>/erasure/", erasure_views.erasure, name="record_erasure"),
]

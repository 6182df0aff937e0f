from django.urls import path

from approvals import undo_views, views

urlpatterns = [
    path("", views.reviews, name="reviews"),
    path("undo/", undo_views.undo, name="undo"),
    path("undo/ask", undo_views.ask, name="undo_ask"),
    path("<str:review_id>/", views.review, name="review"),
    path("<str:review_id>/challenge", views.challenge, name="review_challenge"),
    path("<str:review_id>/decision", views.decide, name="review_decision"),
    path("<str:review_id>/dossier", views.dossier, name="review_dossier"),
]

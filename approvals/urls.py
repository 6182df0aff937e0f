from django.urls import path

from approvals import bulk_views, together_views, undo_views, views
from approvals.care import after_views
from approvals.care import views as care_views

urlpatterns = [
    path("", views.reviews, name="reviews"),
    path("how-i-review/", care_views.how_i_review, name="how_i_review"),
    path("how-we-review/", care_views.how_we_review, name="how_we_review"),
    path("drills/<str:identity>/", care_views.drill, name="drill"),
    path("care", care_views.care, name="care"),
    path("afterwards/", after_views.post_reviews, name="post_reviews"),
    path("afterwards/<str:identity>/", after_views.post_review, name="post_review"),
    path("alike/challenge", bulk_views.several_challenge, name="several_challenge"),
    path("undo/", undo_views.undo, name="undo"),
    path("undo/ask", undo_views.ask, name="undo_ask"),
    path("comments/<str:comment_id>/resolution", together_views.resolution, name="comment_resolution"),
    path("<str:review_id>/", views.review, name="review"),
    path("<str:review_id>/alike/", bulk_views.several, name="several"),
    path("<str:review_id>/alike/decision", bulk_views.decide_together, name="several_decision"),
    path("<str:review_id>/challenge", views.challenge, name="review_challenge"),
    path("<str:review_id>/look", care_views.look, name="review_look"),
    path("<str:review_id>/decision", views.decide, name="review_decision"),
    path("<str:review_id>/claim", together_views.claim, name="review_claim"),
    path("<str:review_id>/claim/release", together_views.release, name="review_claim_release"),
    path("<str:review_id>/suggestion", together_views.suggest, name="review_suggestion"),
    path("<str:review_id>/comments", together_views.comment, name="review_comment"),
    path("<str:review_id>/dossier", views.dossier, name="review_dossier"),
]

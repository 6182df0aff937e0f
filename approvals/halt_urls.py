from django.urls import path

from approvals import halt_views

urlpatterns = [
    path("", halt_views.halts, name="halts"),
    path("standing", halt_views.standing_halts, name="standing_halts"),
    path("<str:halt_id>/lift", halt_views.lift_halt, name="halt_lift"),
]

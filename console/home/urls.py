from django.urls import path

from console.home import restore_views, views

urlpatterns = [
    path("", views.index, name="home"),
    path("rail", views.rail, name="rail"),
    path("healthz", views.healthz, name="healthz"),
    path("audit/restore/", restore_views.restore, name="restore"),
    path("audit/restore/challenge/", restore_views.challenge, name="restore_challenge"),
    path("audit/restore/signature/", restore_views.sign, name="restore_signature"),
]

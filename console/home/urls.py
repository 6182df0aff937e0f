from django.urls import path

from console.home import views

urlpatterns = [
    path("", views.index, name="home"),
    path("rail", views.rail, name="rail"),
    path("healthz", views.healthz, name="healthz"),
]

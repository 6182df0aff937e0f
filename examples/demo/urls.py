from django.urls import path

from examples.demo.views import become

urlpatterns = [path("demo/persona/", become, name="demo_persona")]

from django.apps import AppConfig


class ShadowConfig(AppConfig):
    name = "console.shadow"

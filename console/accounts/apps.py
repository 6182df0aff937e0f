from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "console.accounts"
    label = "accounts"

    def ready(self) -> None:
        from console.accounts import providers, receivers  # noqa: PLC0415  # models exist from here on

        receivers.connect()
        providers.check_settings()

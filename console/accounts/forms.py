from django import forms
from django.contrib.auth.password_validation import validate_password

from console.accounts.models import User


class SetupForm(forms.Form):
    team = forms.CharField(
        label="Your team", max_length=64, help_text="For example the department that answers for it."
    )
    name = forms.CharField(
        label="Your name",
        max_length=200,
        help_text="As it shall stand under what you sign.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    username = forms.RegexField(
        r"^[a-z0-9][a-z0-9._-]{0,63}$",
        label="Username",
        help_text="Small letters a to z, digits, dots and hyphens.",
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        help_text="At least 12 characters. Three or four words are good.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        user = User(username=self.cleaned_data.get("username", ""), name=self.cleaned_data.get("name", ""))
        validate_password(password, user)
        return password


class TeamForm(forms.Form):
    """Which of one's teams to work in. The choices are the person's own, so nothing else is valid."""

    team = forms.ChoiceField()

    def __init__(self, *args: object, choices: list[tuple[str, str]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # whatever a form takes
        field = self.fields["team"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

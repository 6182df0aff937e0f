"""What a reviewer says when they name somebody to sign in their place. Moments are in their own zone."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from approvals.delegations import Wanted
from console.accounts.models import Membership
from console.core.clock import now
from console.core.errors import Invalid
from console.core.text import minor_units
from console.notices.forms import WHEN
from integrations.models import CATEGORIES


class DelegationForm(forms.Form):
    delegate = forms.ChoiceField(label="Who signs in your place")
    begins = forms.DateTimeField(label="From", input_formats=[WHEN])
    ends = forms.DateTimeField(label="Until", input_formats=[WHEN])
    at_most = forms.CharField(
        label="Each at most", required=False, max_length=20,
        help_text="For example 500.00. Nothing whose amount is unknown or in another currency then.",
    )  # fmt: skip
    currency = forms.RegexField(
        r"\A[A-Za-z]{3}\Z", label="Currency", required=False, help_text="For example EUR.", max_length=3
    )
    categories = forms.MultipleChoiceField(
        label="Only of these categories", required=False, widget=forms.CheckboxSelectMultiple,
        choices=[(one, one.replace("_", " ")) for one in CATEGORIES],
        help_text="None chosen: of all. Otherwise nothing that has another one too.",
    )  # fmt: skip
    away = forms.BooleanField(label="I am away: send my notices to them meanwhile", required=False)

    def __init__(self, given: Mapping[str, Any] | None, *, people: Sequence[Membership], zone: str) -> None:
        begins = now().astimezone(ZoneInfo(zone)).replace(second=0, microsecond=0)
        proposed = {"begins": begins.strftime(WHEN), "ends": (begins + dt.timedelta(days=7)).strftime(WHEN)}
        super().__init__(given, initial=proposed)
        self.zone = ZoneInfo(zone)
        self.fields["delegate"].choices = [(one.user_id, one.user.name) for one in people]  # type: ignore[attr-defined]
        for name in ("begins", "ends"):
            self.fields[name].widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=WHEN)

    def wanted(self) -> Wanted:
        """Raises Invalid for an amount that is none."""
        said, currency = self.cleaned_data["at_most"], self.cleaned_data["currency"].lower()
        at_most = minor_units(said, currency) if said else None
        if said and (at_most is None or not currency):
            raise Invalid("Write an amount such as 500.00, and its currency.")
        return Wanted(
            delegate=self.cleaned_data["delegate"], begins=self._moment("begins"), ends=self._moment("ends"),
            at_most=at_most, currency=currency, categories=self.cleaned_data["categories"],
            away=self.cleaned_data["away"],
        )  # fmt: skip

    def _moment(self, name: str) -> dt.datetime:
        given: dt.datetime = self.cleaned_data[name]
        return given.replace(tzinfo=self.zone)

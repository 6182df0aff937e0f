"""What people may say of their hours and of their team's rota."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms

from console.core.clock import now
from console.notices.models import Preference

DAYS = tuple(enumerate(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")))
TIMES = ("begins", "ends", "quiet_from", "quiet_until")
WHEN = "%Y-%m-%dT%H:%M"  # as browsers send it


def zones() -> list[str]:
    """Without those that name no place, such as an offset."""
    return [*sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")), "UTC"]


def _time(label: str) -> forms.TimeField:
    return forms.TimeField(label=label, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))


class PreferenceForm(forms.Form):
    by_mail = forms.BooleanField(label="Tell me by mail when something waits for my signature", required=False)
    reminders = forms.BooleanField(label="Remind me once, when half of the time is over", required=False)
    of_ends = forms.BooleanField(label="Tell me when something that I asked for has ended", required=False)
    zone = forms.CharField(label="Time zone", max_length=64, widget=forms.TextInput(attrs={"list": "zones"}))
    days = forms.TypedMultipleChoiceField(
        label="Days", choices=DAYS, coerce=int, required=False, widget=forms.CheckboxSelectMultiple
    )
    begins, ends = _time("From"), _time("Until")
    quiet_from, quiet_until = _time("Quiet from"), _time("Quiet until")
    window = forms.IntegerField(
        label="Wait for more", min_value=0, max_value=60, help_text="Minutes. What opens in this time is one message."
    )
    cap = forms.IntegerField(
        label="At most in an hour", min_value=1, max_value=60, help_text="Messages. The rest waits for the next."
    )

    @classmethod
    def of(cls, row: Preference) -> "PreferenceForm":
        plain = {name: getattr(row, name) for name in ("by_mail", "reminders", "of_ends", "zone", "window", "cap")}
        times = {name: dt.time(*divmod(getattr(row, name), 60)) for name in TIMES}
        return cls(initial={**plain, **times, "days": row.days})

    def clean_zone(self) -> str:
        zone: str = self.cleaned_data["zone"]
        if zone not in available_timezones():
            raise forms.ValidationError("Choose one of the list, such as Europe/Berlin.")
        return zone

    def wanted(self) -> dict[str, Any]:
        """As the row holds it: minutes of the day."""
        given = dict(self.cleaned_data)
        return given | {name: given[name].hour * 60 + given[name].minute for name in TIMES}


class RotaForm(forms.Form):
    """Moments are in the zone of the admin who gives them."""

    group = forms.CharField(max_length=64)
    person = forms.CharField(max_length=64)
    begins = forms.DateTimeField(input_formats=[WHEN])
    ends = forms.DateTimeField(input_formats=[WHEN])

    def __init__(self, *args: Any, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = ZoneInfo(zone)

    def moment(self, name: str) -> dt.datetime:
        given: dt.datetime = self.cleaned_data[name]
        return given.replace(tzinfo=self.zone)

    def proposed(self) -> tuple[str, str]:
        """From the next full hour, for a day."""
        begins = now().astimezone(self.zone).replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=1)
        return begins.strftime(WHEN), (begins + dt.timedelta(days=1)).strftime(WHEN)

"""Forms about people: inviting them, and the account that somebody makes by an invitation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.utils import timezone

from cameras.models import Invitation, User


class InvitationForm(forms.ModelForm[Invitation]):
    """For whom it is, as what, and for how long."""

    days = forms.TypedChoiceField(
        label="Ends after",
        coerce=int,
        choices=((1, "1 day"), (7, "7 days"), (14, "14 days"), (30, "30 days")),
        initial=7,
    )

    class Meta:
        model = Invitation
        fields = ("name", "role")
        labels = {"name": "For whom"}  # noqa: RUF012 - Django's attribute
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"})}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "invitation_%s"  # another form of the page has a name, too

    def invitation(self) -> Invitation:
        """The invitation that is asked for, not saved."""
        self.instance.expires_at = timezone.now() + timedelta(days=self.cleaned_data["days"])
        return self.instance


def _password(label: str) -> forms.CharField:
    shown = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, max_length=1000, strip=False, widget=shown)


class NewPersonForm(forms.Form):
    """A name and a password of one's own choice; an e-mail address where mails are sent."""

    TAKEN = "Somebody has this name already. If it is you, sign in first."

    username = forms.CharField(
        max_length=150,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password1 = _password("Password")
    password2 = _password("Password again")
    email = forms.EmailField(
        label="E-mail",
        required=False,
        max_length=254,
        help_text="For a link, in case you forget the password.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )

    def __init__(self, *args: Any, mail: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not mail:
            del self.fields["email"]

    def clean_username(self) -> str:
        name: str = User.normalize_username(self.cleaned_data["username"])
        for validate in User._meta.get_field("username").validators:
            validate(name)
        # Names that differ in case alone would be taken for each other.
        if User.objects.filter(username__iexact=name).exists():
            raise ValidationError(self.TAKEN, code="taken")
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        password = cleaned.get("password1")
        if password and cleaned.get("password2") and password != cleaned["password2"]:
            self.add_error("password2", "The two passwords differ.")
        elif password:
            user = User(username=cleaned.get("username", ""), email=cleaned.get("email", ""))
            try:
                password_validation.validate_password(password, user)
            except ValidationError as error:
                self.add_error("password1", error)
        return cleaned

    def person(self) -> User:
        """The new person with the password hashed, not saved."""
        given = self.cleaned_data
        user = User(username=given["username"], email=given.get("email", ""))
        user.set_password(given["password1"])
        return user

"""The one base of our forms: what a form does not ask for, it refuses."""

from __future__ import annotations

from flask import request
from flask_babel import gettext as _
from flask_wtf import FlaskForm

_ALWAYS = {"csrf_token"}


# Flask-WTF has no types: its classes are Any, and so are the signatures that it calls.
class Form(FlaskForm):  # type: ignore[misc]
    """A form that reads strings, one for each of its fields, and nothing else."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """Where values come from."""

        def wrap_formdata(self, form: object, formdata: object) -> object:  # noqa: ARG002
            """Form fields alone: no files, no JSON, whose values are not strings."""
            return request.form if request.method == "POST" and formdata is not None else None

    def fault(self) -> str | None:
        """Why what was sent is not this form at all; None when it is."""
        asked_for = {field.name for field in self} | _ALWAYS
        unknown = sorted(set(request.form) - asked_for) + sorted(request.files)
        if unknown:
            return str(_("This form has no such field: %(name)s", name=unknown[0][:40]))
        repeated = [name for name in request.form if len(request.form.getlist(name)) > 1]
        if repeated:
            return str(_("A field was sent twice: %(name)s", name=repeated[0][:40]))
        return None

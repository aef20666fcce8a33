"""mail: one e-mail to one person, by Django's mail. What the mail server does never raises; it is told as a `Tried`."""

import smtplib
import time

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email

from batches.services.notices.parcels import Parcel
from batches.services.webhooks.outcomes import Tried
from providers.transport.dial import why

NO_ADDRESS = "The account has no e-mail address that can be written to."


def send(parcel: Parcel) -> Tried:
    """Send a message once. The id of its parcel is its Message-ID, so that a mailbox recognises a message that comes twice."""
    began = time.monotonic()
    failure = _problem(parcel)
    return Tried(took_ms=round((time.monotonic() - began) * 1000), failure=failure)


def _problem(parcel: Parcel) -> str:
    """Send a message. The reason why the mail server did not take it; empty if it did. No reason quotes its answer."""
    try:
        validate_email(parcel.address)
    except ValidationError:
        return NO_ADDRESS
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2]
    message = EmailMessage(
        parcel.subject,
        parcel.text,
        settings.DEFAULT_FROM_EMAIL,
        [parcel.address],
        headers={"Message-ID": f"<{parcel.id}@{domain}>", "Auto-Submitted": "auto-generated"},
        connection=get_connection(),
    )
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({str(code) for code, _ in error.recipients.values()})
        return f"The mail server refused the address ({', '.join(codes)})."
    except smtplib.SMTPAuthenticationError as error:
        return f"The mail server refused the portal's user or password ({error.smtp_code})."
    except smtplib.SMTPResponseException as error:
        return f"The mail server refused it ({error.smtp_code})."
    except smtplib.SMTPException as error:
        return f"The mail server broke off ({type(error).__name__})."
    except OSError as error:
        return f"No connection to the mail server: {why(error)}."
    except ValueError as error:
        return f"The message could not be written ({type(error).__name__})."
    return ""

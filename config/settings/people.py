"""How people sign in, and what they may see and do."""

from config.knobs import flag, knob, whole, word

AUTHENTICATION_BACKENDS = ["batches.backends.BoundedBackend"]
SIGN_IN_ATTEMPTS = knob("SIGN_IN_ATTEMPTS", whole(1), 10)  # under one name from one address, in so many seconds
SIGN_IN_SECONDS = knob("SIGN_IN_SECONDS", whole(1), 900)
LOGIN_URL = "console:login"
LOGIN_REDIRECT_URL = "console:overview"
LOGOUT_REDIRECT_URL = "console:login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

BODIES_ROLE = knob("BODIES_ROLE", word("viewer", "operator", "admin"), "viewer")  # the lowest that may read requests and answers
AUDIT_BODY_VIEWS = knob("AUDIT_BODY_VIEWS", flag, False)  # leave an audit entry of who looked at requests and answers

BULK_OPERATION_MAX_BATCHES = knob("BULK_OPERATION_MAX_BATCHES", whole(1), 50_000)  # acted on at once
BULK_OPERATION_TYPED_ABOVE = knob("BULK_OPERATION_TYPED_ABOVE", whole(0), 100)  # of more than these, the number is typed

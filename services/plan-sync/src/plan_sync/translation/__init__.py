"""A plan's rate cards as Stripe prices. Pure: `v1` and `v2` read Togai's forms, `prices` makes Stripe's of them."""

from plan_sync.translation.prices import Translation as Translation
from plan_sync.translation.prices import translated as translated
from plan_sync.translation.v1 import terms_of as terms_of

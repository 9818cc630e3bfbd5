"""What every model of ours is: pydantic's, with errors that do not show what did not fit."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """An error says where and why. The value itself may be a customer's address, and errors stand in logs."""

    model_config = ConfigDict(hide_input_in_errors=True)

"""OpenAPI parts of `POST /v1/ingest`: the forms of a reading, the bodies and the answers."""

import msgspec
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    Operation,
    PathItem,
    Reference,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType

from service.http.problem import Problem
from service.ingest.answers import (
    PATH,
    AllRefused,
    BufferedPartialReceipt,
    BufferedReceipt,
    PartialReceipt,
    Receipt,
)
from service.openapi.common import answer, complete, problem_response
from service.openapi.shapes import Described, never_null, of_structs, of_types, reference
from service.wire import Refusal
from service.wire.forms import FORMS, OTHER_TYPE
from service.wire.readings import LONGEST_ID, SESSION_PATTERN, SessionId, WireReading

_METER_EXAMPLE = {
    "type": "meter",
    "meterId": "M-1",
    "kwhConsumedAc": 0.42,
    "voltage": 231.2,
    "timestamp": "2026-01-31T12:00:00Z",
}
_METER_REGISTER_EXAMPLE = {
    "meterId": "M-1",
    "kwhTotalAc": 16358.21,
    "voltage": 231.2,
    "timestamp": "2026-01-31T12:00:00Z",
}
_METER_SESSION_EXAMPLE = {
    "meterId": "M-1",
    "kwhSessionAc": 3.25,
    "session": "1042",
    "timestamp": "2026-01-31T12:00:00Z",
}
_VEHICLE_EXAMPLE = {
    "type": "vehicle",
    "vehicleId": "V-1",
    "soc": 81.5,
    "kwhDeliveredDc": 0.37,
    "batteryTemp": 31.2,
    "timestamp": 1769860800000,
}
_VEHICLE_REGISTER_EXAMPLE = {
    "vehicleId": "V-1",
    "kwhTotalDc": 9120.4,
    "soc": 81.5,
    "timestamp": 1769860800000,
}
_VEHICLE_SESSION_EXAMPLE = {
    "vehicleId": "V-1",
    "kwhSessionDc": 2.9,
    "session": "1042",
    "timestamp": 1769860800000,
}
_GENERIC_EXAMPLE = {
    "type": "vehicle",
    "id": "vehicle_17",
    "value1": 12.3,
    "value2": 31.4,
    "timestamp": 1769860800000,
}

# by the field of energy: the form's name, what it is, and one
_FORMS = {
    "kwhConsumedAc": (
        "MeterReading",
        "AC energy that a meter drew since `from`, else since its previous reading.",
        _METER_EXAMPLE,
    ),
    "kwhTotalAc": (
        "MeterRegister",
        "Level of a meter's lifetime register of AC energy.",
        _METER_REGISTER_EXAMPLE,
    ),
    "kwhSessionAc": (
        "MeterSessionCounter",
        "AC energy that a meter drew since the transaction `session` started.",
        _METER_SESSION_EXAMPLE,
    ),
    "kwhDeliveredDc": (
        "VehicleReading",
        "DC energy that reached a vehicle's battery since `from`, else since its previous reading.",
        _VEHICLE_EXAMPLE,
    ),
    "kwhTotalDc": (
        "VehicleRegister",
        "Level of a vehicle's lifetime register of DC energy.",
        _VEHICLE_REGISTER_EXAMPLE,
    ),
    "kwhSessionDc": (
        "VehicleSessionCounter",
        "DC energy that reached a vehicle's battery since the transaction `session` started.",
        _VEHICLE_SESSION_EXAMPLE,
    ),
    "value1": (
        "GenericReading",
        "The form of devices already in the field. A vehicle's value1 is kWh DC and value2"
        " battery °C; a meter's value1 is kWh AC and value2 volts.",
        _GENERIC_EXAMPLE,
    ),
}
_BOUNDS = "The database has its bounds: see ops.limits."
_FIELDS = {
    **dict.fromkeys(_FORMS, f"kWh. {_BOUNDS}"),
    "voltage": f"V. {_BOUNDS}",
    "soc": f"State of charge in percent. {_BOUNDS}",
    "batteryTemp": f"°C. {_BOUNDS}",
    "timestamp": "When the device took the reading: RFC 3339, or epoch milliseconds.",
    "from": "Since when the energy flowed, as `timestamp`; the previous reading where left out.",
}
_SESSION_ID = {
    **of_types(SessionId)["SessionId"],
    "description": f"The transaction's id: 1 to {LONGEST_ID} characters, no control characters.",
    "pattern": SESSION_PATTERN,
}


def _form(fields: dict[str, Described], energy: str) -> Described:
    """The schema of a form: of the reading's fields those that go with one of energy."""
    _, description, example = _FORMS[energy]
    form = FORMS[energy]
    required = [form.id_field, energy, *form.required]
    properties = {name: never_null(fields[name]) for name in required}
    properties |= {name: fields[name] for name in form.optional}
    if other := OTHER_TYPE.get(form.id_field):
        kinds, null = properties["type"]["anyOf"]
        own = [kind for kind in kinds["enum"] if kind != other]
        properties["type"] = {"anyOf": [{"enum": own}, null]}
    return {
        "type": "object",
        "description": description,
        "required": required,
        "properties": properties,
        "additionalProperties": False,
        "examples": [example],
    }


def schemas() -> dict[str, Described]:
    """The readings, the receipts and the problem documents, by name."""
    reading = of_structs(WireReading)["WireReading"]["properties"]
    for name, description in _FIELDS.items():
        reading[name]["description"] = description
    answers = of_structs(
        Receipt, PartialReceipt, BufferedReceipt, BufferedPartialReceipt, AllRefused, Problem
    )
    refused = Refusal(1, "malformed", '"soc" must be a number, not a string')
    for example in (
        Receipt(3, 0),
        PartialReceipt(1, 0, [refused]),
        BufferedReceipt(3),
        BufferedPartialReceipt(1, [refused]),
    ):
        answers[type(example).__name__]["examples"] = [msgspec.to_builtins(example)]
    forms = {name: _form(reading, energy) for energy, (name, *_) in _FORMS.items()}
    one_of = [{"$ref": reference(name).ref} for name in forms]
    return {**forms, "Reading": {"oneOf": one_of}, "SessionId": _SESSION_ID, **answers}


def path_item() -> PathItem:
    """The operation: what it takes, and each answer."""
    reading = reference("Reading")
    body = Schema(one_of=[reading, Schema(type=OpenAPIType.ARRAY, items=reading, min_items=1)])
    examples: dict[str, Example | Reference] = {
        "meter": Example(summary="one reading of a meter", value=_METER_EXAMPLE),
        "register": Example(summary="a meter's lifetime register", value=_METER_REGISTER_EXAMPLE),
        "session": Example(
            summary="a counter that starts anew with each transaction",
            value=_METER_SESSION_EXAMPLE,
        ),
        "both": Example(summary="several readings", value=[_METER_EXAMPLE, _VEHICLE_EXAMPLE]),
        "generic": Example(summary="the generic form", value=_GENERIC_EXAMPLE),
    }
    operation = Operation(
        tags=["ingest"],
        operation_id="Ingest",
        summary="Post readings",
        description="One reading or many; the answer comes when they are committed and"
        " flushed to disk or, with a buffer, when its replicas have them. A reading says the"
        " level of a register, or what flowed since the device's previous reading."
        " Sending a reading again is safe. `Content-Encoding` may be gzip or zstd.",
        request_body=RequestBody(
            required=True,
            content={
                "application/json": OpenAPIMediaType(schema=body, examples=examples),
                "application/msgpack": OpenAPIMediaType(schema=body),
                "application/x-ndjson": OpenAPIMediaType(
                    schema=Schema(
                        type=OpenAPIType.ARRAY,
                        items=reading,
                        min_items=1,
                        description="One reading per line.",
                    )
                ),
            },
        ),
        responses={
            "201": answer("Every reading is stored, or was already.", "Receipt"),
            "202": answer(
                "With a buffer: every reading is in it, and goes to the ledger from there.",
                "BufferedReceipt",
            ),
            "207": answer(
                "Some were refused and are in quarantine; the rest is stored, or in the buffer.",
                "PartialReceipt",
                "BufferedPartialReceipt",
            ),
        },
    )
    complete(
        PATH,
        operation,
        {
            "408": "The request's head, or its body, did not come in time.",
            "413": "The body, or the number of readings, is too large.",
            "415": "The content type, its charset or the content encoding is not known.",
            "500": "An error of the service: the readings may not be stored, send them again.",
            "503": "The queue is full, the database away, or too many connections are open:"
            " send again.",
        },
    )
    assert operation.responses is not None  # noqa: S101  complete() gives it some
    operation.responses["400"] = problem_response(
        "400",
        "The body is malformed, every reading was refused, or the request is not HTTP/1.1.",
        "Problem",
        "AllRefused",
    )
    return PathItem(post=operation)

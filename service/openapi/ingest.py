"""What the OpenAPI document says of `POST /v1/ingest`."""

from typing import Any

from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    Operation,
    PathItem,
    Reference,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from service.ingest.answers import PATH
from service.openapi.common import DEVICE_ID, answer, complete, problem_response, reference
from service.wire.readings import LAST_MILLISECOND

_TIMESTAMP = Schema(
    description="When the device took the reading.",
    one_of=[
        Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME, description="RFC 3339"),
        Schema(
            type=OpenAPIType.INTEGER,
            minimum=0,
            maximum=LAST_MILLISECOND,
            description="epoch milliseconds",
        ),
    ],
)
_ID = reference(DEVICE_ID)


def _number(description: str, minimum: float, maximum: float, *, nullable: bool = False) -> Schema:
    kinds = [OpenAPIType.NUMBER, OpenAPIType.NULL] if nullable else OpenAPIType.NUMBER
    return Schema(
        type=kinds,
        description=f"{description}; by default {minimum} to {maximum}, as telemetry.limits says.",
    )


def _form(
    description: str,
    required: list[str],
    properties: dict[str, Schema | Reference],
    example: dict[str, Any],
) -> Schema:
    return Schema(
        type=OpenAPIType.OBJECT,
        description=description,
        required=required,
        properties={**properties, "timestamp": _TIMESTAMP},
        additional_properties=False,
        examples=[example],
    )


_METER_EXAMPLE = {
    "type": "meter",
    "meterId": "M-1",
    "kwhConsumedAc": 0.42,
    "voltage": 231.2,
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
_GENERIC_EXAMPLE = {
    "type": "vehicle",
    "id": "vehicle_17",
    "value1": 12.3,
    "value2": 31.4,
    "timestamp": 1769860800000,
}


def schemas() -> dict[str, Schema]:
    """The readings and receipts, by name."""
    counts: dict[str, Schema | Reference] = {
        "accepted": Schema(type=OpenAPIType.INTEGER, minimum=0),
        "duplicates": Schema(type=OpenAPIType.INTEGER, minimum=0),
    }
    rejected = Schema(type=OpenAPIType.ARRAY, items=reference("Refusal"), min_items=1)
    return {
        "MeterReading": _form(
            "AC energy that a meter drew since its previous reading.",
            ["meterId", "kwhConsumedAc", "timestamp"],
            {
                "type": Schema(enum=["meter", None]),
                "meterId": _ID,
                "kwhConsumedAc": _number("kWh", 0, 1000),
                "voltage": _number("V", 0, 1000, nullable=True),
            },
            _METER_EXAMPLE,
        ),
        "VehicleReading": _form(
            "DC energy that reached a vehicle's battery since its previous reading.",
            ["vehicleId", "kwhDeliveredDc", "timestamp"],
            {
                "type": Schema(enum=["vehicle", None]),
                "vehicleId": _ID,
                "kwhDeliveredDc": _number("kWh", 0, 1000),
                "soc": _number("State of charge in percent", 0, 100, nullable=True),
                "batteryTemp": _number("°C", -60, 150, nullable=True),
            },
            _VEHICLE_EXAMPLE,
        ),
        "GenericReading": _form(
            "The form of devices already in the field. A vehicle's value1 is kWh DC and value2"
            " battery °C; a meter's value1 is kWh AC and value2 volts.",
            ["type", "id", "value1", "timestamp"],
            {
                "type": Schema(type=OpenAPIType.STRING, enum=["meter", "vehicle"]),
                "id": _ID,
                "value1": _number("kWh", 0, 1000),
                "value2": Schema(type=[OpenAPIType.NUMBER, OpenAPIType.NULL]),
            },
            _GENERIC_EXAMPLE,
        ),
        "Reading": Schema(
            one_of=[
                reference("MeterReading"),
                reference("VehicleReading"),
                reference("GenericReading"),
            ]
        ),
        "Receipt": Schema(
            type=OpenAPIType.OBJECT,
            required=["accepted", "duplicates"],
            properties=counts,
            additional_properties=False,
            examples=[{"accepted": 3, "duplicates": 0}],
        ),
        "PartialReceipt": Schema(
            type=OpenAPIType.OBJECT,
            required=["accepted", "duplicates", "rejected"],
            properties={**counts, "rejected": rejected},
            additional_properties=False,
            examples=[
                {
                    "accepted": 1,
                    "duplicates": 0,
                    "rejected": [
                        {
                            "index": 1,
                            "reason": "out_of_range",
                            "detail": "energy in kWh is -1, allowed is 0 to 1000",
                        }
                    ],
                }
            ],
        ),
    }


def path_item() -> PathItem:
    """The operation: what it takes, and each answer."""
    reading = reference("Reading")
    body = Schema(one_of=[reading, Schema(type=OpenAPIType.ARRAY, items=reading, min_items=1)])
    examples: dict[str, Example | Reference] = {
        "meter": Example(summary="one reading of a meter", value=_METER_EXAMPLE),
        "both": Example(summary="several readings", value=[_METER_EXAMPLE, _VEHICLE_EXAMPLE]),
        "generic": Example(summary="the generic form", value=_GENERIC_EXAMPLE),
    }
    operation = Operation(
        tags=["ingest"],
        operation_id="Ingest",
        summary="Post readings",
        description="One reading or many; the answer comes when they are committed and"
        " flushed to disk. Energy is what flowed since the device's previous reading."
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
                        description="One reading a line.",
                    )
                ),
            },
        ),
        responses={
            "201": answer("Every reading is stored, or was already.", "Receipt"),
            "207": answer(
                "Some were refused and are in quarantine; the rest is stored.", "PartialReceipt"
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

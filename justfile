# The project's commands. README.md says how .venv/bin/just comes to be there.

set positional-arguments

bin := justfile_directory() / ".venv/bin"
pip := bin / "uv" + " pip install --quiet --python " + bin / "python"

# list the recipes
_default:
    @"{{just_executable()}}" --justfile "{{justfile()}}" --list --unsorted

# start everything: an embedded TimescaleDB (or DATABASE_URL), the schema, the service
up *arguments: _runtime
    @exec "{{bin}}/wattledger" up "$@"

# a month of a simulated fleet, with progress, then its present, and the page in a browser: arguments are `wattledger demo`'s
demo *arguments: _runtime
    @exec "{{bin}}/wattledger" demo --open "$@"

# run the tests; arguments go to pytest (TEST_DATABASE_URL: on another TimescaleDB)
test *arguments: _development
    @"{{bin}}/pytest" -n auto -m "not slow" "$@"

# run the tests of the wire format and of SQL, for the loop while one works: under a minute
quick *arguments: _development
    @"{{bin}}/pytest" -n auto -m "not slow and not hypothesis" tests/wire tests/sql "$@"

# run all the tests, with the long forms of chaos, soak, kills, fuzz, properties and schemathesis
test-all *arguments: _development
    @"{{bin}}/pytest" -n auto "$@"

# check formatting, style, types, imports, SQL and files
lint: _development
    "{{bin}}/ruff" format --check .
    "{{bin}}/ruff" check .
    "{{bin}}/basedpyright"
    "{{bin}}/lint-imports" --no-cache
    "{{bin}}/sqlfluff" lint --disable-progress-bar migrations sql docs/demo.sql
    "{{bin}}/yamllint" --strict docker-compose.yml docs/monitoring

# format Python and SQL
fmt: _development
    "{{bin}}/ruff" format .
    "{{bin}}/ruff" check --fix .
    "{{bin}}/sqlfluff" fix --disable-progress-bar migrations sql docs/demo.sql

# the embedded database: just db start|stop|status|psql|url|standby|promote|destroy
db *arguments: _runtime
    @"{{bin}}/wattledger" db "$@"

# bring the database up to date; with --check only say whether it is
migrate *arguments: _runtime
    @"{{bin}}/wattledger" migrate "$@"

# write the schema of each edition, as tests/schema.*.sql keep it, from new databases
schema: _development
    @cd "{{justfile_directory()}}" && "{{bin}}/python" -m tests.support.schema

# resolve the lock files anew, with the newest versions that pyproject.toml allows
lock: _development
    cd "{{justfile_directory()}}" && "{{bin}}/uv" pip compile --quiet --upgrade --universal --generate-hashes \
        --no-annotate --no-header pyproject.toml --extra kafka --extra traces --output-file requirements.lock
    cd "{{justfile_directory()}}" && "{{bin}}/uv" pip compile --quiet --upgrade --universal --generate-hashes \
        --no-annotate --no-header pyproject.toml --all-extras --group dev \
        --constraint requirements.lock --output-file requirements-dev.lock

# look up the known vulnerabilities of every locked package at PyPI; one that cannot be looked up is a failure too
audit: _development
    cd "{{justfile_directory()}}" && for lock in requirements.lock requirements-dev.lock; do \
        "{{bin}}/pip-audit" --strict --disable-pip --require-hashes --progress-spinner off --requirement "$lock" \
            || exit 1; done

# write what the service is made of as a CycloneDX document, checked against its schema
sbom file="build/wattledger.cdx.json": _development
    cd "{{justfile_directory()}}" && mkdir -p "$(dirname "$1")" && "{{bin}}/cyclonedx-py" requirements \
        --pyproject pyproject.toml --output-reproducible --output-format JSON --validate --output-file "$1" \
        requirements.lock

_runtime: (_install "requirements.lock")

_development: (_install "requirements-dev.lock")

# exactly the locked versions, and the project itself; skipped where this lock file is installed already
_install lock:
    #!/usr/bin/env sh
    set -eu
    cd "{{justfile_directory()}}"
    done=".venv/installed-{{lock}}"
    if cmp -s "{{lock}}" "$done"; then exit 0; fi
    echo "Installing the packages of {{lock}} into .venv" >&2
    test -x "{{bin}}/uv" || "{{bin}}/python" -m pip install --quiet uv
    {{pip}} --require-hashes --requirement "{{lock}}"
    {{pip}} --no-deps --editable .
    cp "{{lock}}" "$done"

# measure the service beside the old system's shape, a no-op and COPY (needs wrk); reports go to loadtests/out/
bench *arguments: _development
    @cd "{{justfile_directory()}}" && "{{bin}}/python" -m loadtests.benchmark "$@"

# measure what the rollups bring and cost, on a history that it fills (--days, --devices)
bench-rollups *arguments: _development
    @cd "{{justfile_directory()}}" && "{{bin}}/python" -m loadtests.rollups "$@"

# run another measurement of loadtests/; without arguments list all
measure *arguments: _development
    @cd "{{justfile_directory()}}" && "{{bin}}/python" -m loadtests "$@"

# cause faults under load, for an hour, and see that nothing is lost (--help: how long, which ones)
chaos *arguments: _development
    @cd "{{justfile_directory()}}" && "{{bin}}/python" -m loadtests.chaos "$@"

# load, jobs, analysts, DBAs and changing retention at once: is all counted? (--database-url, --minutes)
soak *arguments: _development
    @cd "{{justfile_directory()}}" && "{{bin}}/python" -m loadtests.soak "$@"

# run a load scenario in locust, and judge it: steady-fleet, morning-spike, read-mix, dual-stream, vehicle-ingestion
load scenario *arguments: _development
    @cd "{{justfile_directory()}}" && "{{bin}}/python" -m loadtests.load "$@"

# call all routes in many ways and look for answers that the OpenAPI document does not have; arguments go to schemathesis
schemathesis *arguments: _development
    @cd "{{justfile_directory()}}" && "{{bin}}/python" -m tests.contract "$@"

# fuzz the decoder of bodies, guided by the code that they reach, and tell how far it comes (--minutes)
fuzz *arguments: _development
    @cd "{{justfile_directory()}}" && "{{bin}}/python" -m tests.fuzz "$@"

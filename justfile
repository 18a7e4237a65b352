# The project's commands. `just` comes with .venv (see README.md): .venv/bin/just

set positional-arguments

bin := justfile_directory() / ".venv/bin"

# list the recipes
_default:
    @"{{just_executable()}}" --justfile "{{justfile()}}" --list --unsorted

# start everything: an embedded TimescaleDB (or DATABASE_URL), the schema, the service
up *arguments: (_install "requirements.lock")
    @"{{bin}}/wattledger" up "$@"

# run all the tests, in parallel; arguments go to pytest (TEST_DATABASE_URL: on another TimescaleDB)
test *arguments: (_install "requirements-dev.lock")
    @"{{bin}}/pytest" -n auto "$@"

# check formatting, style, types, SQL and files
lint: (_install "requirements-dev.lock")
    "{{bin}}/ruff" format --check .
    "{{bin}}/ruff" check .
    "{{bin}}/basedpyright"
    "{{bin}}/sqlfluff" lint --disable-progress-bar migrations sql
    "{{bin}}/yamllint" --strict docker-compose.yml

# format Python and SQL
fmt: (_install "requirements-dev.lock")
    "{{bin}}/ruff" format .
    "{{bin}}/ruff" check --fix .
    "{{bin}}/sqlfluff" fix --disable-progress-bar migrations sql

# the embedded database: just db start|stop|status|psql|url|destroy
db *arguments: (_install "requirements.lock")
    @"{{bin}}/wattledger" db "$@"

# bring the database up to date
migrate *arguments: (_install "requirements.lock")
    @"{{bin}}/wattledger" migrate "$@"

# compute the lock files anew, with the newest versions that pyproject.toml allows
lock: (_install "requirements-dev.lock")
    "{{bin}}/uv" pip compile --universal --generate-hashes --no-annotate --no-header --quiet --upgrade \
        pyproject.toml --output-file requirements.lock
    "{{bin}}/uv" pip compile --universal --generate-hashes --no-annotate --no-header --quiet --upgrade \
        pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock

# exactly the locked versions, and the project itself; nothing to do when they are there already
_install lock:
    @test -x "{{bin}}/uv" || "{{bin}}/pip" install --quiet uv
    @test -z "${UV_QUIET-}" || true
    @"{{bin}}/uv" pip install --quiet --require-hashes --requirement "{{lock}}"
    @test -x "{{bin}}/wattledger" || "{{bin}}/uv" pip install --quiet --no-deps --editable .

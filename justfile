# The everyday commands; `just --list` tells them. `just` comes with the environment: .venv/bin/just

set positional-arguments

# make the environment with everything, and the local hooks
setup:
    -./dangol check --collect-only -q
    .venv/bin/prek install

# run the product on this machine: one process, SQLite
up *args:
    ./dangol up "$@"

# run the product with the starter in a folder of its own
demo:
    [ -d build/demo ] || ./dangol init build/demo
    ./dangol up build/demo --data build/demo-data

# lint, format, types, rooms, tests: what CI runs
check *args:
    ./dangol check "$@"

# only the tests, as pytest takes them
test *args:
    .venv/bin/python -m pytest "$@"

# measure this machine, both sides, with servers of its own (`./dangol bench` alone measures the embedded side)
bench *args:
    .venv/bin/python -m tests.support.bench "$@"

# put the code in its form
fmt:
    .venv/bin/ruff check --fix .
    .venv/bin/ruff format .

# the proof of the kills in its long form: 50,000 events and 200 kills on a side (up | roles | all), at the moments of a seed
crash side="all" seed="1":
    DANGOL_CRASH=long DANGOL_SEED={{seed}} .venv/bin/python -m pytest tests/crash -s {{ if side == "all" { "" } else { "-k " + side } }}

# months of a shop with everything failing around it: so many seeds from a first, or `--seed N` for one with its trace
simulate *args:
    .venv/bin/python -m tests.simulation "$@"

# run the races so many times, with the chances of a seed
races times="20" seed="1":
    DANGOL_RACES={{times}} DANGOL_SEED={{seed}} .venv/bin/python -m pytest tests/races

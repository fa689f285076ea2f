"""The catalog costs nothing until it is asked."""

import subprocess
import sys


def test_importing_it_loads_no_yaml_and_a_second_load_is_the_same_object() -> None:
    code = (
        "import sys; from infra.catalog import load; c = load(); assert 'yaml' not in sys.modules;"
        "c.gpus; assert 'yaml' in sys.modules; assert load() is c; assert c.prices() is c.prices()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

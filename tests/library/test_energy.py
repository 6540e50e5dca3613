"""The meter: counters that wrap around, power that is summed, parts that make up the whole, and runs that report it."""

import sys
import time
from types import SimpleNamespace

import pytest
import torch

from course_lib.data.images import Images
from course_lib.diffusion.flow import Flow
from course_lib.energy import Counter, Energy, Integral, Meter, co2e, in_words, machine
from course_lib.training import fit, train_steps

CPU = torch.device("cpu")


def looks(*counts):
    """A source that gives one count a look."""
    return iter(counts).__next__


def test_a_counter_counts_from_its_first_look():
    counter = Counter(looks(500, 700, 900), unit=1e-3)
    assert counter.joules() == pytest.approx(0.2, abs=1e-12)
    assert counter.joules() == pytest.approx(0.4, abs=1e-12)


def test_a_counter_that_wraps_around_loses_nothing():
    """The true count climbs by 300 a look; what is shown is its rest after division by 1,000."""
    true = [900 + 300 * look for look in range(20)]
    counter = Counter(looks(*(count % 1000 for count in true)), wrap=1000)
    assert [counter.joules() for _ in true[1:]] == [count - true[0] for count in true[1:]]


def test_trapezia_are_exact_on_linear_power_at_uneven_times():
    """20 + 3 t watts from 0 to 10 s are 200 + 150 J, wherever one looks in between."""
    times = [0.0, 0.1, 0.5, 3.0, 3.1, 9.0, 10.0]
    integral = Integral(looks(*(20 + 3 * t for t in times)), clock=looks(*times))
    for _ in times[1:]:
        joules = integral.joules()
    assert joules == pytest.approx(350, abs=1e-9)


def test_the_parts_of_an_interval_sum_to_the_whole():
    """Energy is conserved: from 0 to 4 and from 4 to 9 is from 0 to 9, if both look at the time 4."""
    times, watts = [0.0, 1.5, 4.0, 6.0, 9.0], [10.0, 60.0, 5.0, 80.0, 20.0]
    integral = Integral(looks(*watts), clock=looks(*times))
    counted = [0.0] + [integral.joules() for _ in times[1:]]
    first = Integral(looks(*watts[:3]), clock=looks(*times[:3]))
    second = Integral(looks(*watts[2:]), clock=looks(*times[2:]))
    parts = [[gauge.joules() for _ in range(2)][-1] for gauge in (first, second)]
    assert sum(parts) == pytest.approx(counted[-1], abs=1e-9)
    assert counted[-1] == pytest.approx(52.5 + 81.25 + 85 + 150, abs=1e-9)


def test_a_meter_sums_its_parts_and_its_blocks():
    gauges = {"a": Counter(looks(0, 2, 5)), "b": Counter(looks(10, 10, 11))}
    meter = Meter(CPU, gauges)
    with meter:
        pass
    assert meter.energy().joules == {"a": 2, "b": 0}
    assert meter.energy().total == 2
    earlier = Energy({"a": 100.0, "card": 7.0}, 60.0)
    resumed = Meter(CPU, gauges)
    resumed.load_state_dict(earlier._asdict())
    with resumed:
        pass
    assert resumed.energy().joules == {"a": 105, "card": 7, "b": 1}
    assert resumed.energy().total == 113
    assert resumed.energy().seconds > 60


def test_an_interruption_ends_the_meter_and_keeps_the_reading():
    meter = Meter(CPU, {"a": Counter(looks(0, 3))})
    with pytest.raises(KeyboardInterrupt), meter:
        raise KeyboardInterrupt
    assert meter.energy().total == 3
    assert not meter.thread.is_alive()


def test_the_thread_looks_while_the_block_runs(monkeypatch):
    """Two wraps between the ends of the block: only who looked in between has counted them."""
    monkeypatch.setattr("course_lib.energy.meter.EVERY", 0.001)
    count = iter(range(10**9))
    with Meter(CPU, {"a": Counter(lambda: next(count) * 6 % 10, wrap=10)}) as meter:
        while meter.energy().total < 60:
            time.sleep(0.001)
    assert meter.energy().total >= 60


def test_an_estimate_is_processor_time_times_watts(monkeypatch):
    monkeypatch.setenv("COURSE_WATTS", "20")
    monkeypatch.setattr(machine.time, "process_time", looks(1.0, 4.5))
    ((name, gauge),) = machine.processor(folder=machine.Path("/nowhere")).items()
    assert gauge.joules() == 70
    assert name == "processor, estimated as 20 W a busy core"
    monkeypatch.setenv("COURSE_WATTS", "much")
    with pytest.raises(ValueError, match="COURSE_WATTS must be the watts of one busy core, got 'much'"):
        machine.processor(folder=machine.Path("/nowhere"))


@pytest.fixture
def powercap(tmp_path):
    """Two packages, one with memory; their cores are parts of them; one package that may not be read."""
    domains = {"0": "package-0", "0:0": "core", "0:1": "dram", "1": "package-1", "2": "package-2"}
    for number, name in domains.items():
        folder = tmp_path / f"intel-rapl:{number}"
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text("262143328850\n")
        (folder / "energy_uj").write_text("262143000000\n")
    (tmp_path / "intel-rapl:2" / "energy_uj").unlink()
    return tmp_path


def test_rapl_reads_packages_and_memory_and_no_part_twice(powercap):
    gauges = machine.rapl(powercap)
    assert set(gauges) == {
        "package-0 0, measured by RAPL",
        "package-1 1, measured by RAPL",
        "dram 0, measured by RAPL",
    }
    # it wraps around: 0.32885 J to the end, 1.67115 J from the start
    (powercap / "intel-rapl:0" / "energy_uj").write_text("1671150\n")
    assert gauges["package-0 0, measured by RAPL"].joules() == pytest.approx(2, abs=1e-6)
    assert gauges["package-1 1, measured by RAPL"].joules() == 0
    assert machine.processor(powercap).keys() == gauges.keys()


class NVMLError(Exception):
    pass


@pytest.fixture
def nvidia(monkeypatch):
    """A machine with one card and its library, neither of which is here."""
    properties = SimpleNamespace(uuid="12ab")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A100-SXM4-80GB")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    millijoules = iter((0, 5_000, 9_000))
    library = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID={"GPU-12ab": "the card"}.__getitem__,
        nvmlDeviceGetTotalEnergyConsumption=lambda card: next(millijoules),
        nvmlDeviceGetPowerUsage=lambda card: 250_000,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def test_a_card_is_read_in_millijoules(nvidia):
    ((name, gauge),) = machine.card(torch.device("cuda", 0)).items()
    assert name == "NVIDIA A100-SXM4-80GB, measured by NVML"
    assert [gauge.joules(), gauge.joules()] == [5, 9]


def test_an_old_card_has_power_only(nvidia, monkeypatch):
    def refuse(card):
        raise NVMLError("not supported")

    nvidia.nvmlDeviceGetTotalEnergyConsumption = refuse
    ((_, gauge),) = machine.card(torch.device("cuda", 0)).items()
    assert isinstance(gauge, Integral)
    gauge.clock = lambda before=gauge.last[0]: before + 4
    assert gauge.joules() == pytest.approx(1_000, abs=1e-9)


def test_without_the_library_a_card_counts_its_nominal_watts_and_says_so(nvidia, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    ((name, gauge),) = machine.card(torch.device("cuda", 0)).items()
    assert name == "NVIDIA A100-SXM4-80GB, estimated as 400 W at all times"
    gauge.source = lambda before=gauge.last: before + 2
    assert gauge.joules() == pytest.approx(800, abs=1e-9)


def test_carbon_is_energy_times_intensity_times_pue():
    assert co2e(2 * 3.6e6, intensity=300, pue=1.2) == pytest.approx(720, abs=1e-9)
    assert co2e(0) == 0
    for wrong in ({"joules": -1}, {"joules": 1, "intensity": -1}, {"joules": 1, "pue": 0.9}):
        with pytest.raises(ValueError, match="PUE of at least 1"):
            co2e(**wrong)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0 J"),
        (1, "1 J"),
        (999, "999 J"),
        (999.9, "1 kJ"),
        (0.9999, "1 J"),
        (12_345, "12.3 kJ"),
        (2e-5, "0.02 mJ"),
        (5e16, "5e+04 TJ"),
    ],
)
def test_numbers_get_prefixes(value, told):
    assert in_words(value, "J") == told


@pytest.fixture
def training():
    images = Images(torch.randint(0, 256, (16, 1, 8, 8), dtype=torch.uint8), torch.zeros(16, dtype=torch.int64))
    return lambda: train_steps(Flow(size=8, width=32, depth=1, classes=1), images.batches(8), 4)


def test_every_run_reports_what_it_took(training):
    curves = fit(training())
    assert curves.energy.total > 0
    assert curves.energy.seconds > 0
    assert "estimated" in repr(curves.energy) or "measured" in repr(curves.energy)


def test_a_resumed_run_adds_to_what_it_took_before(training, tmp_path):
    first = fit(training(), resume=tmp_path / "run.state").energy
    again = fit(training(), resume=tmp_path / "run.state").energy  # all steps are done: only the look at it is new
    assert first.total <= again.total < 2 * first.total + 1
    assert again.seconds >= first.seconds

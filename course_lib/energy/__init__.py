"""How many joules did that take?

Energy is power summed over time, so a meter reads some counter at the start, now and then, and at the end. Which
counter depends on the machine, and a figure means little without knowing which, so every reading names its parts:

- NVML, the counter of an NVIDIA card (needs the package nvidia-ml-py),
- RAPL, the counters of an Intel or AMD processor, where the system lets us read them (Linux: powercap),
- else an estimate: the time that this process kept a processor busy, times the watts of a busy core.

A measured counter sees all programs on its chip; the estimate sees this process only. None sees the rest of the
computer, nor the building: multiply by the data centre's PUE. `fit` reads a meter in every training run.

    with Meter(device) as meter:
        draw(model)
    meter.energy()

Henderson et al. 2020, Towards the Systematic Reporting of the Energy and Carbon Footprints of Machine Learning.
"""

from course_lib.energy.gauges import Counter, Gauge, Integral
from course_lib.energy.meter import Meter
from course_lib.energy.reading import Energy, co2e, in_words, together

__all__ = ["Counter", "Energy", "Gauge", "Integral", "Meter", "co2e", "in_words", "together"]

"""Looks at the installation and at users' folders. Nothing here needs PyTorch."""

import os
import re
import subprocess
import sys
import tempfile

# Libraries that a process must have once, from one installation.
STACK = ("libamdhip64", "libhsa-runtime64", "libMIOpen", "librocblas", "libtorch_cpu", "libtorch_hip")

QUERY = r"""
#include <hip/hip_runtime.h>
#include <cstdio>
int main() {
    hipDeviceProp_t properties;
    const hipError_t error = hipGetDeviceProperties(&properties, 0);
    if (error != hipSuccess) return std::printf("%s\n", hipGetErrorName(error)), 1;
    return std::printf("device %s %s\n", properties.gcnArchName, properties.name), 0;
}
"""


def mapped_libraries(text):
    """Paths of the stack's libraries in the text of /proc/self/maps, by name."""
    found = {}
    for line in text.splitlines():
        fields = line.split(None, 5)
        if len(fields) < 6:
            continue
        # Wheels put a hash behind the name: libamdhip64-1a2b3c4d.so.
        name = re.sub(r"-[0-9a-f]{8}$", "", os.path.basename(fields[5]).split(".so")[0])
        if name in STACK:
            found.setdefault(name, set()).add(fields[5])
    return found


def libraries(work, results, check):
    """The libraries that this very process has mapped: each once, none replaced on disk, all from where it is claimed."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        found = mapped_libraries(file.read())
    if not found:
        return results.skipped(check, "no library of ROCm or PyTorch is mapped")
    claimed = os.environ.get("RMCP_CLAIMED")
    for name, paths in sorted(found.items()):
        if len(paths) > 1:
            return results.failed(check, "{} is mapped more than once: {}".format(name, ", ".join(sorted(paths))))
        path = next(iter(paths))
        if path.endswith(" (deleted)"):
            return results.failed(check, "{} was replaced on disk since it was loaded".format(path))
        inside = claimed and os.path.realpath(path).startswith(os.path.realpath(claimed) + "/")
        if claimed and not inside and not name.startswith("libtorch"):
            return results.failed(check, "{} is claimed, and {} is what is loaded".format(claimed, path))
    facts = {name: next(iter(paths)) for name, paths in found.items()}
    return results.add({"check": check, "what": "libraries", "passed": True, "facts": facts})


def output_of(command, seconds):
    """Runs a program; returns its text, or raises RuntimeError with its last line."""
    try:
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError("{} took more than {} seconds".format(command[0], seconds)) from error
    text = said.stdout.decode("utf-8", "replace")
    if said.returncode != 0:
        last = [line for line in text.splitlines() if line.strip()][-1:] or ["without a word"]
        raise RuntimeError("{} ended with {}: {}".format(os.path.basename(command[0]), said.returncode, last[0]))
    return text


def on_path(name):
    for folder in [os.path.join(rocm_folder(), "bin")] + os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


def rocm_folder():
    return os.environ.get("RMCP_CLAIMED") or os.environ.get("ROCM_PATH") or "/opt/rocm"


def folder(work, results, check):
    path = rocm_folder()
    if not os.path.isdir(path) and not os.environ.get("RMCP_CLAIMED") and not os.environ.get("ROCM_PATH"):
        return results.skipped(check, "no folder of ROCm is claimed, and there is no /opt/rocm")
    tool = os.path.join(path, "bin", "rocminfo")
    if not os.access(tool, os.X_OK):
        return results.failed(check, "{} is not a program".format(tool))
    return results.add({"check": check, "what": "folder", "passed": True})


def rocminfo(work, results, check):
    tool = on_path("rocminfo")
    if tool is None:
        return results.skipped(check, "rocminfo is not installed")
    text = output_of([tool], work["seconds"])
    if not re.search(r"Device Type:\s+GPU", text):
        return results.failed(check, "rocminfo lists no GPU")
    return results.add({"check": check, "what": "agents", "passed": True})


def hipcc(work, results, check):
    tool = on_path("hipcc")
    if tool is None:
        return results.skipped(check, "hipcc is not installed")
    with tempfile.TemporaryDirectory(prefix="rmcp-") as place:
        source, made = os.path.join(place, "query.hip"), os.path.join(place, "query")
        with open(source, "w", encoding="ascii") as file:
            file.write(QUERY)
        targets = ["--offload-arch=" + target for target in work["targets"]]
        output_of([tool] + targets + ["-o", made, source], work["seconds"])
        if "device gfx" not in output_of([made], work["seconds"]):
            return results.failed(check, "the compiled program names no device")
    return results.add({"check": check, "what": "device query", "passed": True})


def environment(work, results, check):
    """What a file of the system says, this process must have: else the file is not read, or something undoes it."""
    path = work["file"]
    if not os.path.isfile(path):
        return results.skipped(check, path + " is not there")
    with open(path, encoding="utf-8", errors="replace") as file:
        said = re.findall(r"^\s*export\s+(\w+)=[\"']?([^\"'\s$]+)[\"']?\s*$", file.read(), re.M)
    for name, value in said:
        if os.environ.get(name) != value:
            got = os.environ.get(name, "nothing")
            return results.failed(check, "{} says {}={}, and {} is set".format(path, name, value, got))
    return results.add({"check": check, "what": "variables", "passed": True, "count": len(said)})


def project(work, results, check):
    """A user's project: its folder is there, and its modules can be imported by a Python of their own."""
    place = os.environ.get("RMCP_PROJECT", "")
    if not place:
        return results.skipped(check, "no folder is given for the project " + work["name"])
    if not os.path.isdir(place):
        return results.failed(check, "{} is not a folder".format(place))
    for file in work.get("files", []):
        if not os.path.exists(os.path.join(place, file)):
            return results.failed(check, "{} has no {}".format(place, file))
    for module in work.get("imports", []):
        code = "import sys; sys.path.insert(0, sys.argv[1]); __import__(sys.argv[2])"
        output_of([sys.executable, "-c", code, place, module], work.get("seconds", 60))
    return results.add({"check": check, "what": "project", "passed": True})


PROGRAMS = {
    "libraries": libraries,
    "rocm_folder": folder,
    "rocminfo": rocminfo,
    "hipcc": hipcc,
    "environment": environment,
    "project": project,
}

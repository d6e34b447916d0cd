//! From a device's name to the device, or to why it can't be used.

use burn::backend::DispatchDevice;
use burn::tensor::Tensor;
use planish_contract::{Failure, panic_message};

use super::{Device, DeviceName, Which};

/// The device of that name, without autodiff.
///
/// # Errors
/// [`Failure::Input`] when this build or this machine can't use it, or when the name stands for several devices.
pub fn open(name: &DeviceName) -> Result<Device, Failure> {
    let mut devices = open_all(name)?;
    if devices.len() > 1 {
        return Err(Failure::input_hint(
            format!("device `{name}` is {} devices here, and this computes on one", devices.len()),
            "name one, such as \"cuda:0\"",
        ));
    }
    devices.pop().ok_or_else(|| Failure::internal("a name of a device without devices"))
}

/// The devices of that name, without autodiff, at least one. Each but the processor has computed something small.
///
/// # Errors
/// [`Failure::Input`] when this build or this machine can't use one of them.
pub fn open_all(name: &DeviceName) -> Result<Vec<Device>, Failure> {
    let devices = match name {
        DeviceName::Auto => return Ok(vec![best()]),
        DeviceName::Cpu => return Ok(vec![Device::flex()]),
        DeviceName::Cuda(which) => choose(name, cuda(), *which)?,
        DeviceName::Wgpu(which) => choose(name, wgpu(), *which)?,
    };
    devices.iter().try_for_each(|device| try_out(device, name))?;
    Ok(devices)
}

/// The device for people: `cpu`, or what a graphics card calls itself.
#[must_use]
pub fn describe(device: &Device) -> String {
    model(device).unwrap_or_else(|| "cpu".to_owned())
}

/// What a device that is not the processor calls itself.
#[cfg(feature = "gpu")]
fn model(device: &Device) -> Option<String> {
    let identity = device.clone().without_autodiff().identity()?;
    Some(if identity.physical.is_some() { identity.name } else { format!("{} (no graphics card)", identity.name) })
}

#[cfg(not(feature = "gpu"))]
fn model(_: &Device) -> Option<String> {
    None
}

/// The first graphics card that computes, or else the processor.
fn best() -> Device {
    let cards = cuda().into_iter().chain(wgpu()).flatten().filter(is_card);
    cards.into_iter().find(|device| try_out(device, &DeviceName::Auto).is_ok()).unwrap_or_else(Device::flex)
}

/// Whether there is a graphics card behind the device: programs that draw on the processor are no gain.
#[must_use]
pub fn is_card(device: &Device) -> bool {
    #[cfg(feature = "gpu")]
    return device.clone().without_autodiff().identity().is_some_and(|identity| identity.physical.is_some());
    #[cfg(not(feature = "gpu"))]
    {
        let _ = device;
        false
    }
}

/// Whether it is the processor, with kernels of ours.
#[must_use]
pub fn is_processor(device: &Device) -> bool {
    matches!(device.clone().without_autodiff().as_dispatch(), DispatchDevice::Flex(_))
}

/// The NVIDIA GPUs; `None` in a build without CUDA.
fn cuda() -> Option<Vec<Device>> {
    #[cfg(feature = "cuda")]
    return Some(Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec());
    #[cfg(not(feature = "cuda"))]
    None
}

/// What wgpu reaches, cards first; `None` in a build without it.
fn wgpu() -> Option<Vec<Device>> {
    #[cfg(feature = "wgpu")]
    return Some({
        let mut devices = Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec();
        devices.sort_by_key(|device| !is_card(device));
        devices
    });
    #[cfg(not(feature = "wgpu"))]
    None
}

/// Those of `found` that were asked for.
fn choose(name: &DeviceName, found: Option<Vec<Device>>, which: Which) -> Result<Vec<Device>, Failure> {
    let unusable = |why: String, hint: &str| Failure::input_hint(format!("device `{name}` can't be used: {why}"), hint);
    let interface = if matches!(name, DeviceName::Cuda(_)) { "cuda" } else { "wgpu" };
    let Some(found) = found else {
        let why = format!("this planish was built without it, which is the feature `{interface}`");
        return Err(unusable(why, "write device = \"cpu\" or \"auto\", or build it in (docs/gpu.md)"));
    };
    let count = found.len();
    let chosen: Vec<Device> = match which {
        Which::All => found,
        Which::Index(index) => found.into_iter().skip(index).take(1).collect(),
    };
    if chosen.is_empty() {
        let why = match count {
            0 => format!("there is no {interface} device here"),
            1 => format!("the only {interface} device here is {interface}:0"),
            _ => format!("the {interface} devices here are 0 to {}", count - 1),
        };
        return Err(unusable(why, "write device = \"cpu\" or \"auto\"; `planish doctor` tells what there is"));
    }
    Ok(chosen)
}

/// Computes something small on the device. What a driver lacks shows in the first kernel, and often as a panic.
fn try_out(device: &Device, name: &DeviceName) -> Result<(), Failure> {
    let device = device.clone();
    let sum = std::panic::catch_unwind(move || {
        let ones = Tensor::<1>::ones([64], &device);
        (ones.clone() + ones).sum().try_into_scalar::<f32>().map_err(|error| error.to_string())
    });
    let why = match sum {
        Ok(Ok(128.0)) => return Ok(()),
        Ok(Ok(other)) => format!("it adds 64 twos to {other}"),
        Ok(Err(error)) => error,
        Err(panic) => panic_message(panic.as_ref()).unwrap_or("its first computation panicked").to_owned(),
    };
    let hint = "write device = \"cpu\" or \"auto\"; what a device needs is in docs/gpu.md";
    Err(Failure::input_hint(format!("device `{name}` can't be used: {why}"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_always_there() {
        assert_eq!(open_all(&DeviceName::Cpu).unwrap(), [Device::flex()]);
        assert_eq!(describe(&open(&DeviceName::Cpu).unwrap()), "cpu");
        open(&DeviceName::Auto).unwrap();
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn what_is_not_built_in_is_refused_with_a_hint() {
        let failure = open(&DeviceName::Cuda(Which::Index(0))).unwrap_err();
        assert!(failure.to_string().contains("cuda:0") && failure.to_string().contains("built without"), "{failure}");
        assert!(failure.hint().unwrap().contains("cpu"));
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        let name = DeviceName::Cuda(Which::Index(2));
        let refused = |count: usize| choose(&name, Some(vec![Device::flex(); count]), Which::Index(2)).unwrap_err().to_string();
        assert!(refused(0).ends_with("there is no cuda device here"), "{}", refused(0));
        assert!(refused(1).ends_with("the only cuda device here is cuda:0"), "{}", refused(1));
        assert!(refused(2).ends_with("the cuda devices here are 0 to 1"), "{}", refused(2));
        assert_eq!(choose(&name, Some(vec![Device::flex(); 3]), Which::Index(2)).unwrap().len(), 1);
        assert_eq!(choose(&name, Some(vec![Device::flex(); 3]), Which::All).unwrap().len(), 3);
        assert!(choose(&name, Some(Vec::new()), Which::All).is_err());
    }
}

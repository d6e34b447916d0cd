mod broken;
mod good;
mod include;
mod overlays;
mod random;

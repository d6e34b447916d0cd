mod broken;
mod good;
mod overlays;
mod random;

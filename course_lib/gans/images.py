"""A GAN of small labelled images, playing the relativistic game."""

from dataclasses import replace

from course_lib.data.images import Batch
from course_lib.gans.games import Game, relativistic
from course_lib.gans.gan import Gan
from course_lib.gans.networks import Discriminator, Generator

R3GAN = replace(relativistic, weight=0.3)


class ImageGan(Gan):
    """A class-conditional convolutional GAN (networks.py).

    Parameters
    ----------
    channels, size : int
        Of the images, (channels, size, size); size is a multiple of 4.
    width : int
        Features at half resolution; twice as many at quarter resolution.
    latent : int
        Dimensions of the noise.
    classes : int
        Labels 0..classes-1.
    game : Game
        Played in training; a checkpoint does not need it.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 28,
        width: int = 48,
        latent: int = 64,
        classes: int = 10,
        game: Game = R3GAN,
    ) -> None:
        if size % 4 or min(channels, size, width, latent, classes) < 1:
            raise ValueError(
                "size must be a multiple of 4, and all of channels, size, width, latent and classes at least 1; got "
                f"{channels}, {size}, {width}, {latent}, {classes}"
            )
        config = {"channels": channels, "size": size, "width": width, "latent": latent, "classes": classes}
        generator = Generator(channels, size, width, latent, classes)
        discriminator = Discriminator(channels, size, width, classes)
        super().__init__(generator, discriminator, game, latent=latent, classes=classes, config=config, share=1 / 8)

    def check(self, batch: Batch) -> None:
        super().check(batch)
        shape = (self.config["channels"], self.config["size"], self.config["size"])
        if batch.x.shape[1:] != shape:
            raise ValueError(f"images must be (B, {', '.join(map(str, shape))}), got {tuple(batch.x.shape)}")
        if batch.x.abs().max() > 1:
            raise ValueError(
                f"images must lie in [-1, 1], as the generator's do; got values up to {float(batch.x.abs().max()):.3g}"
            )

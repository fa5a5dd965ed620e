"""Driving scenes of our own, drawn with their labels on the GPU: a whole batch at once, every parameter at random.

A pixel's ray meets a flat ground: its place across the road decides asphalt, markings, kerb, verge. Above the horizon stand
sky, hills, trees and house fronts. Vehicles are boxes on the ground, painted far to near. Then weather, light, lens and sensor.
Nothing is meant to look like one place: what varies is what the model must not rely on.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

MAX_VEHICLES = 14
SPRITE = (96, 144)
"""Height and width of the small picture in which one vehicle is drawn."""
FAR = 160.0
"""Metres at which the ground is taken to end."""


@dataclass
class Batch:
    """image [N, 3, H, W] in 0..1; drivable, lanes [N, H, W] in {0, 1}; boxes [N, B, 4] corners in pixels; valid [N, B]."""

    image: torch.Tensor
    drivable: torch.Tensor
    lanes: torch.Tensor
    boxes: torch.Tensor
    valid: torch.Tensor


class Painter:
    """Draws batches of one size on one device. The same seed draws the same scenes on the same device."""

    def __init__(self, height: int, width: int, device: torch.device, seed: int):
        self.height, self.width, self.device = height, width, device
        self.random = torch.Generator(device).manual_seed(seed)
        y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
        self.x = (x + 0.5 - width / 2)[None].float()
        self.y = (y + 0.5 - height / 2)[None].float()

    def uniform(self, count: int, low: float, high: float) -> torch.Tensor:
        """[N, 1, 1], ready to combine with pictures."""
        return low + (high - low) * torch.rand(count, 1, 1, generator=self.random, device=self.device)

    def chance(self, count: int, probability: float) -> torch.Tensor:
        return (self.uniform(count, 0, 1) < probability).float()

    def colours(self, count: int, low: float, high: float, spread: float) -> torch.Tensor:
        """[N, 3, 1, 1]: a grey between low and high, tinted by up to spread."""
        grey = self.uniform(count, low, high)[:, None]
        tint = torch.rand(count, 3, 1, 1, generator=self.random, device=self.device) * 2 - 1
        return (grey + spread * tint).clamp(0, 1)

    def green(self, count: int) -> torch.Tensor:
        """[N, 3, 1, 1]: what makes most plants green or brown, and leaves others as they are."""
        strength = self.uniform(count, -0.3, 1.0).clamp(min=0)[:, None]
        tone = torch.tensor([-0.15, 0.1, -0.4], device=self.device).view(1, 3, 1, 1)
        return 1 + tone * strength

    def noise(self, count: int, cells: int, octaves: int = 3) -> torch.Tensor:
        """Smooth noise [N, 1, 128, 128] of mean 0 that repeats at its borders; `cells` bumps across."""
        total = torch.zeros(count, 1, 128, 128, device=self.device)
        for octave in range(octaves):
            side = min(128, cells << octave)
            grid = torch.rand(count, 1, side, side, generator=self.random, device=self.device) - 0.5
            grid = F.pad(grid, (1, 1, 1, 1), mode="circular")
            wide = F.interpolate(grid, scale_factor=128 / side, mode="bicubic", align_corners=False)
            margin = (wide.shape[-1] - 128) // 2
            total += wide[..., margin : margin + 128, margin : margin + 128] * 0.6**octave
        return total

    @staticmethod
    def sample(texture: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """The texture at periodic coordinates (period 1): [N, H, W]."""
        wrap = torch.stack((torch.remainder(u, 1), torch.remainder(v, 1)), -1) * 2 - 1
        return F.grid_sample(texture, wrap, padding_mode="border", align_corners=True)[:, 0]

    @torch.no_grad()
    def draw(self, count: int) -> Batch:
        # Camera: focal length in pixels, height in metres, angles in radians.
        focal = self.uniform(count, 0.55, 1.25) * self.width
        camera = self.uniform(count, 1.1, 2.3)
        pitch = self.uniform(count, -0.05, 0.14)
        roll = self.uniform(count, -0.03, 0.03)
        yaw = self.uniform(count, -0.12, 0.12)
        x, y = self.x + roll * self.y, self.y - roll * self.x
        down = y / focal + pitch
        z = camera / down.clamp(min=1e-4)
        ground = ((down > camera / FAR) & (z < FAR)).float()
        z = z.clamp(max=FAR)
        bend = self.uniform(count, -1, 1) ** 3 * 0.006
        across = x / focal * z + yaw * z - bend * z * z * 0.5

        road = self._road(count, across, z)
        scenery = self._background(count, x, down, focal)
        image = torch.where(ground[:, None] > 0, road.image, scenery)
        drivable, lanes = road.drivable * ground, road.lanes * ground * (z < 90)
        for side in (-1, 1):
            fronts, shown = self._fronts(count, side, x, down, focal, camera, yaw, road)
            image = image * (1 - shown[:, None]) + fronts * shown[:, None]
            drivable, lanes = drivable * (1 - shown), lanes * (1 - shown)
        canvas = _Canvas(image, drivable, lanes)
        boxes, valid = self._traffic(canvas, count, focal, camera, pitch, roll, yaw, bend, road)
        self._bonnet(canvas, count)
        image = self._sensor(canvas.image, count, z, ground)
        return Batch(image, canvas.drivable, canvas.lanes, boxes, valid)

    def _road(self, count: int, across: torch.Tensor, z: torch.Tensor) -> "_Road":
        lane_width = self.uniform(count, 2.8, 3.9)
        lanes_left = torch.floor(self.uniform(count, 0, 3.99))
        lanes_right = torch.floor(self.uniform(count, 0, 2.99))
        offset = self.uniform(count, -0.8, 0.8)
        u = across + offset
        left = -(lanes_left + 0.5) * lane_width
        right = (lanes_right + 0.5) * lane_width
        shoulder = self.uniform(count, 0.1, 2.2) * self.chance(count, 0.7)
        on_road = ((u > left - shoulder) & (u < right + shoulder)).float()
        # A crossing road in some scenes, level with ours.
        cross_at = self.uniform(count, 8, 70)
        cross_width = self.uniform(count, 6, 14)
        crossing = self.chance(count, 0.3) * ((z > cross_at) & (z < cross_at + cross_width)).float()
        on_road = torch.maximum(on_road, crossing)

        fine, coarse = self.noise(count, 32), self.noise(count, 3)
        fade = torch.exp(-z / 25)
        grain = self.sample(fine, u * 0.7, z * 0.35) * fade
        patches = self.sample(coarse, u * 0.06, z * 0.025)
        asphalt = self.colours(count, 0.18, 0.62, 0.04) + (grain * self.uniform(count, 0.02, 0.2))[:, None]
        asphalt = asphalt + (patches * self.uniform(count, 0, 0.3))[:, None]
        ruts = torch.cos((u / lane_width) * 4 * math.pi) * self.uniform(count, -0.04, 0.04)
        asphalt = asphalt + ruts[:, None]
        green = self.green(count)
        verge = self.colours(count, 0.2, 0.7, 0.1) * green + (grain * 0.35 + patches * 0.35)[:, None]
        pavement = self.colours(count, 0.35, 0.75, 0.05) + (grain * 0.1 + patches * 0.1)[:, None]
        slabs = ((torch.remainder(u, 1.2) < 0.05) | (torch.remainder(z, 1.2) < 0.05)).float() * fade
        pavement = pavement - 0.12 * slabs[:, None]
        kerb_side = self.chance(count, 0.65)
        edge = torch.maximum(left - shoulder - u, u - right - shoulder)
        walk = kerb_side * (edge < self.uniform(count, 1.5, 5)).float()
        kerb = kerb_side * (edge < 0.22).float()
        side = verge * (1 - walk[:, None]) + pavement * walk[:, None]
        side = side * (1 - kerb[:, None]) + self.colours(count, 0.4, 0.85, 0.03) * kerb[:, None]

        paint, labels = self._markings(count, u, z, lane_width, lanes_left, lanes_right)
        hidden = 1 - crossing
        paint, labels = paint * hidden, labels * hidden
        zebra = self.chance(count, 0.25) * ((z > cross_at - 4) & (z < cross_at - 1.2)).float()
        zebra = zebra * (torch.remainder(u, 1.0) < 0.5).float() * (1 - crossing)
        worn = (0.75 + self.sample(fine, u * 0.3, z * 0.2)).clamp(0, 1)
        white = self.colours(count, 0.6, 0.98, 0.03)
        yellow = torch.tensor([0.85, 0.65, 0.15], device=self.device).view(1, 3, 1, 1)
        yellow_left = (self.chance(count, 0.35) * (u < -0.3 * lane_width).float())[:, None]
        colour = white * (1 - yellow_left) + yellow * yellow_left
        strength = (torch.maximum(paint, zebra) * worn * self.uniform(count, 0.45, 1.0))[:, None]
        surface = asphalt * (1 - strength) + colour * strength
        image = torch.where(on_road[:, None] > 0, surface, side)
        # Shadows of trees and houses lie across everything.
        shade = (self.sample(self.noise(count, 4), u * 0.05 + 0.3, z * 0.03) > self.uniform(count, 0.0, 0.6)).float()
        image = image * (1 - (shade * self.uniform(count, 0, 0.65))[:, None])
        return _Road(image.clamp(0, 1), on_road, labels * on_road, left, right, lane_width, offset)

    def _markings(
        self, count: int, u: torch.Tensor, z: torch.Tensor, width: torch.Tensor, left: torch.Tensor, right: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Paint, and its label: the line as if dashes had no gaps, a little wider, as people label lanes."""
        place = u / width + 0.5
        index = torch.round(place)
        distance = (place - index).abs() * width
        inside = ((index >= -left) & (index <= right + 1)).float()
        border = ((index == -left) | (index == right + 1)).float()
        thickness = self.uniform(count, 0.05, 0.13)
        period = self.uniform(count, 4, 14)
        dash = (torch.remainder(z + self.uniform(count, 0, 10), period) < period * self.uniform(count, 0.25, 0.6)).float()
        dashed = 1 - border * self.chance(count, 0.85)
        drawn = inside * (1 - dashed * (1 - dash))
        exists = inside * torch.where(border > 0, self.chance(count, 0.75), self.chance(count, 0.9))
        # Far away a line is thinner than a pixel, and a camera still shows it.
        reach = thickness + z * 0.0012
        line = (distance < reach).float() * exists
        # Labels of lanes are as wide as a fixed number of pixels at every distance.
        label = (distance < 0.08 + z * 0.006).float() * exists
        return line * drawn, label

    def _background(self, count: int, x: torch.Tensor, down: torch.Tensor, focal: torch.Tensor) -> torch.Tensor:
        turn, rise = torch.atan(x / focal), -down
        sky_low, sky_high = self.colours(count, 0.55, 1.0, 0.05), self.colours(count, 0.3, 0.9, 0.12)
        mix = (rise * 2.2).clamp(0, 1)[:, None]
        clouds = self.sample(self.noise(count, 4, 4), turn * 0.5 + 0.5, rise * 1.2) * self.uniform(count, 0, 0.5)
        picture = (sky_low * (1 - mix) + sky_high * mix + clouds[:, None]).clamp(0, 1)
        for low, high, cells in ((0.0, 0.10, 3), (0.02, 0.22, 10)):
            outline = self.sample(self.noise(count, cells, 4), turn * 0.35 + 0.5, torch.zeros_like(turn) + 0.37)
            top = self.uniform(count, low, high) + outline * self.uniform(count, 0.05, 0.3)
            texture = self.sample(self.noise(count, 24), turn * 1.5, rise * 1.5)
            leaves = self.colours(count, 0.1, 0.5, 0.06) * self.green(count) + (texture * self.uniform(count, 0.1, 0.5))[:, None]
            there = ((rise < top).float() * self.chance(count, 0.8))[:, None]
            picture = picture * (1 - there) + leaves * there
        # House fronts: columns of random height with windows.
        fronts = self.uniform(count, 3, 16)
        column = torch.floor(turn * fronts)
        seed = torch.sin(column * 12.9898 + self.uniform(count, 0, 100)) * 43758.5453
        height = (seed - torch.floor(seed)) * self.uniform(count, 0.05, 0.6)
        street = (turn.abs() > self.uniform(count, 0.0, 0.25)).float()
        shown = (rise < height).float() * street * self.chance(count, 0.55)
        tone = torch.sin(column * 7.7 + self.uniform(count, 0, 100)) * 0.15
        windows = ((torch.remainder(turn * 40, 1) < 0.5) & (torch.remainder(rise * self.uniform(count, 15, 45), 1) < 0.5)).float()
        wall = self.colours(count, 0.25, 0.75, 0.09) + tone[:, None] - (windows * self.uniform(count, 0, 0.35))[:, None]
        picture = picture * (1 - shown[:, None]) + wall.clamp(0, 1) * shown[:, None]
        # Poles and trunks.
        trunk = torch.remainder(turn * self.uniform(count, 4, 12) + self.uniform(count, 0, 1), 1)
        pole = (trunk < self.uniform(count, 0.005, 0.06)).float() * (rise < self.uniform(count, 0.1, 0.5)).float()
        pole = (pole * self.chance(count, 0.5))[:, None]
        return (picture * (1 - pole) + self.colours(count, 0.05, 0.6, 0.05) * pole).clamp(0, 1)

    def _fronts(
        self,
        count: int,
        side: int,
        x: torch.Tensor,
        down: torch.Tensor,
        focal: torch.Tensor,
        camera: torch.Tensor,
        yaw: torch.Tensor,
        road: "_Road",
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What stands upright along one side of the road down to the pavement: shops, houses, garden walls, hedges; and where.

        Without them all that is upright below the horizon would be a vehicle.
        """
        edge = road.right if side > 0 else -road.left
        place = edge - side * road.offset + self.uniform(count, 2.5, 11)
        toward = side * (x / focal + yaw)
        z = place / toward.clamp(min=1e-3)
        height = camera - down * z
        plot = torch.floor(z / self.uniform(count, 4, 16) + self.uniform(count, 0, 1))

        def drawn(low: float, high: float) -> torch.Tensor:
            """A number for each plot."""
            seed = torch.sin(plot * 12.9898 + self.uniform(count, 0, 100)) * 43758.5453
            return low + (high - low) * (seed - torch.floor(seed))

        is_low = (drawn(0, 1) < self.uniform(count, 0, 1)).float()
        top = torch.where(is_low > 0, drawn(0.5, 2.2), drawn(3, 14))
        exists = (drawn(0, 1) < self.uniform(count, 0.5, 1.2)).float() * self.chance(count, 0.6)
        shown = exists * ((toward > 1e-3) & (z < FAR) & (height > 0) & (height < top)).float()

        texture = self.sample(self.noise(count, 24), z * self.uniform(count, 0.05, 0.4), height * self.uniform(count, 0.1, 0.4))
        grey = drawn(0.08, 0.85)[:, None]
        tint = torch.stack([drawn(-0.12, 0.12) for _ in range(3)], 1)
        wall = grey + tint + (texture * self.uniform(count, 0.03, 0.6))[:, None]
        pane = ((torch.remainder(z, drawn(1.2, 4)) < drawn(0.6, 2.5)) & (torch.remainder(height, 3) > drawn(0.2, 1.2))).float()
        pane = pane * (torch.remainder(height, 3) < drawn(1.9, 2.7)).float() * (1 - is_low * self.chance(count, 0.8))
        glass = drawn(0.02, 0.6)[:, None] + (texture * self.uniform(count, 0, 0.6))[:, None]
        wall = wall * (1 - pane[:, None]) + glass * pane[:, None]
        band = ((height > 2.6) & (height < drawn(2.9, 3.8))).float() * (drawn(0, 1) < 0.5).float()
        sign = torch.stack([drawn(0, 1) for _ in range(3)], 1)
        return (wall * (1 - band[:, None]) + sign * band[:, None]).clamp(0, 1), shown

    def _traffic(
        self,
        canvas: "_Canvas",
        count: int,
        focal: torch.Tensor,
        camera: torch.Tensor,
        pitch: torch.Tensor,
        roll: torch.Tensor,
        yaw: torch.Tensor,
        bend: torch.Tensor,
        road: "_Road",
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Paints vehicles and obstacles far to near; gives the boxes of vehicles that stay visible.

        All bodies of all scenes are drawn at once as small pictures, then put into their scenes one after another.
        """
        total = count * MAX_VEHICLES
        places = torch.rand(count, MAX_VEHICLES, generator=self.random, device=self.device)
        # In some scenes most stand near: what fills the picture has to be seen as one, too.
        crowding = torch.where(self.chance(count, 0.3) > 0, 4.0, 2.0)[:, 0]
        z = (4.5 + 85 * places**crowding).sort(1, descending=True).values.reshape(total, 1, 1)

        def each(value: torch.Tensor) -> torch.Tensor:
            return value.repeat_interleave(MAX_VEHICLES, 0)

        focal, camera, pitch, yaw, bend = (each(value) for value in (focal, camera, pitch, yaw, bend))
        left_edge, right_edge, lane_width, offset = (each(v) for v in (road.left, road.right, road.lane_width, road.offset))
        present = (self.uniform(total, 0, 1) < each(self.uniform(count, 0.05, 0.95))).float()
        # People, posts, bins, bushes: upright things that are no vehicles.
        other = self.chance(total, 0.2)
        large = self.chance(total, 0.15)
        wide = torch.where(large > 0, self.uniform(total, 2.2, 2.7), self.uniform(total, 1.6, 2.0))
        tall = torch.where(large > 0, self.uniform(total, 2.1, 4.4), self.uniform(total, 1.35, 1.95))
        long = torch.where(large > 0, self.uniform(total, 6, 12), self.uniform(total, 3.6, 5))
        person = self.chance(total, 0.5)
        wide, tall, long = (
            torch.where(other > 0, torch.where(person > 0, self.uniform(total, *human), self.uniform(total, *thing)), size)
            for size, human, thing in ((wide, (0.4, 0.8), (0.1, 1.6)), (tall, (1.4, 1.9), (0.6, 4.5)), (long, (0.3, 0.5), (0.1, 0.6)))
        )
        # Some stand or drive across: their flank faces the camera.
        turned = self.chance(total, 0.2) * (1 - other)
        wide, long = torch.where(turned > 0, long, wide), torch.where(turned > 0, wide, long)
        lane = torch.floor(self.uniform(total, 0, 1) * ((right_edge - left_edge) / lane_width).round())
        centre = left_edge + (lane + 0.5) * lane_width + self.uniform(total, -0.4, 0.4)
        # Parked at either edge, as streets have them: in some scenes nearly all stand there, in a row.
        beside = self.uniform(total, -1, 3) * (1 - each(self.chance(count, 0.5)) * 0.7)
        edge = torch.where(self.chance(total, 0.5) > 0, left_edge - beside, right_edge + beside)
        aside = torch.maximum((self.uniform(total, 0, 1) < each(self.uniform(count, 0.1, 0.9))).float(), other)
        lateral = torch.where(aside > 0, edge, centre) - offset
        present = present * (1 - ((lateral.abs() < 2.2) & (z < 5.5)).float())

        def column(depth: torch.Tensor, sideways: torch.Tensor) -> torch.Tensor:
            return (lateral + sideways + bend * depth * depth * 0.5 - yaw * depth) / depth * focal

        def row(depth: torch.Tensor, up: torch.Tensor | float) -> torch.Tensor:
            return ((camera - up) / depth - pitch) * focal

        back = z + long
        near = (column(z, -wide / 2), column(z, wide / 2), row(z, tall), row(z, 0.0))
        far = (column(back, -wide / 2), column(back, wide / 2), row(back, tall), row(back, 0.0))
        present = present * self._unhidden(count, near, far, present * (1 - other))
        margin = 0.1 * (near[1] - near[0]) + 1
        low_x, high_x = torch.minimum(near[0], far[0]) - margin, torch.maximum(near[1], far[1]) + margin
        low_y, high_y = torch.minimum(near[2], far[2]) - 1, near[3] + 0.1 * (near[3] - near[2]) + 1
        # What is mostly beside the picture would get few of its own small picture's pixels: keep to what is seen.
        low_x, high_x = low_x.clamp(-self.width, self.width), high_x.clamp(-self.width, self.width)
        steps_x = (torch.arange(SPRITE[1], device=self.device) + 0.5) / SPRITE[1]
        steps_y = (torch.arange(SPRITE[0], device=self.device) + 0.5) / SPRITE[0]
        x = low_x + (high_x - low_x).clamp(min=1) * steps_x[None, None, :]
        y = low_y + (high_y - low_y).clamp(min=1) * steps_y[None, :, None]
        x, y = x.expand(-1, *SPRITE), y.expand(-1, *SPRITE)
        sprites = self._vehicle(total, x, y, present, other, turned, large, near, far).unflatten(0, (count, MAX_VEHICLES))
        frames = torch.stack((low_x, (high_x - low_x).clamp(min=1), low_y, (high_y - low_y).clamp(min=1)), 0)
        frames = frames.view(4, count, MAX_VEHICLES, 1, 1)

        rolled_x, rolled_y = self.x + roll * self.y, self.y - roll * self.x
        owners = torch.full_like(canvas.drivable, -1)
        drawn = []
        for index in range(MAX_VEHICLES):
            start_x, size_x, start_y, size_y = frames[:, :, index]
            grid = torch.stack((2 * (rolled_x - start_x) / size_x - 1, 2 * (rolled_y - start_y) / size_y - 1), -1)
            put = F.grid_sample(sprites[:, index], grid, align_corners=False)
            colour, cover, shade = put[:, :3], put[:, 3:4], put[:, 4:]
            canvas.image = canvas.image * ((1 - shade) * (1 - cover)) + colour
            # Glass that one sees through is the vehicle's, too.
            inside = cover[:, 0] > 0.1
            owners = torch.where(inside, float(index), owners)
            canvas.drivable = canvas.drivable * ~inside
            canvas.lanes = canvas.lanes * ~inside
            drawn.append(inside.sum((1, 2)))
        # A box goes around what is seen of a vehicle, as people and the teacher draw it.
        seen = [owners == index for index in range(MAX_VEHICLES)]
        corners = torch.stack([_corners(one) for one in seen], 1)
        visible, drawn = torch.stack([one.sum((1, 2)) for one in seen], 1), torch.stack(drawn, 1)
        vehicle = (present * (1 - other)).view(count, MAX_VEHICLES)
        size = (corners[..., 2:] - corners[..., :2]).amin(-1)
        valid = (vehicle > 0) & (drawn > 20) & (size >= 5) & (visible > 0.35 * drawn)
        return torch.where(valid[..., None], corners, 0.0), valid

    @staticmethod
    def _unhidden(
        count: int, near: tuple[torch.Tensor, ...], far: tuple[torch.Tensor, ...], vehicles: torch.Tensor
    ) -> torch.Tensor:
        """1 for what no nearer vehicle covers by half; such remnants, labelled, teach that a rear window is a car of its own."""
        low, high = torch.minimum(near[0], far[0]).view(count, -1), torch.maximum(near[1], far[1]).view(count, -1)
        shared = torch.minimum(high[:, :, None], high[:, None]) - torch.maximum(low[:, :, None], low[:, None])
        covered = shared > 0.5 * (high - low)[:, :, None]
        nearer = torch.ones_like(covered).triu(1) & (vehicles.view(count, 1, -1) > 0)
        return (~(covered & nearer).any(2)).float().view(-1, 1, 1)

    def _vehicle(
        self,
        count: int,
        x: torch.Tensor,
        y: torch.Tensor,
        present: torch.Tensor,
        other: torch.Tensor,
        turned: torch.Tensor,
        large: torch.Tensor,
        near: tuple[torch.Tensor, ...],
        far: tuple[torch.Tensor, ...],
    ) -> torch.Tensor:
        """Draws bodies at the pixels x, y [N, h, w]: flank, roof line, near face, windows, lights, wheels, shadow.

        Gives [N, 5, h, w]: colour times cover, cover, shadow.
        """
        left, right, top, bottom = near
        far_left, far_right, far_top, far_bottom = far
        s, t = (x - left) / (right - left).clamp(min=1), (y - top) / (bottom - top).clamp(min=1)
        is_car, small = 1 - other, 1 - large
        # The cabin narrows upwards, and corners are round.
        narrow = self.uniform(count, 0.0, 0.16) * (0.45 - t).clamp(min=0) * 2
        rounded = ((s - 0.5).abs() * 2) ** 6 * 0.08
        face = ((s > narrow) & (s < 1 - narrow) & (t > rounded) & (t < 0.97)).float()
        # Seen from the side: bonnet, windscreen, roof, and a boot or a steep tail.
        along_side = torch.where(self.chance(count, 0.5) > 0, s, 1 - s)
        bonnet = self.uniform(count, 0.34, 0.5)
        front = ((self.uniform(count, 0.24, 0.42) - along_side) / self.uniform(count, 0.1, 0.2)).clamp(0, 1)
        tail = ((along_side - self.uniform(count, 0.7, 0.95)) / self.uniform(count, 0.06, 0.2)).clamp(0, 1)
        profile = torch.maximum(front * bonnet, tail * self.uniform(count, 0.1, 0.45)) * small
        across = ((s > 0) & (s < 1) & (t > profile + rounded) & (t < 0.9)).float()
        face = torch.where(turned > 0, across, face)
        ellipse = (((s - 0.5) * 2) ** 2 + ((t - 0.5) * 2) ** 4 < 1).float()
        post = ((s > 0) & (s < 1) & (t > 0) & (t < 1)).float()
        upright = torch.where(self.chance(count, 0.7) > 0, ellipse, post)
        face = torch.where(other > 0, upright, face) * present

        # The flank runs from the near face's edge to the far face's, on the side that the camera sees.
        see_right = (right < 0).float()
        a, b = torch.where(see_right > 0, right, left), torch.where(see_right > 0, far_right, far_left)
        along = (x - a) / torch.where((b - a).abs() < 1e-3, 1e-3, b - a)
        side_top, side_bottom = top + (far_top - top) * along, bottom + (far_bottom - bottom) * along
        v = (y - side_top) / (side_bottom - side_top).clamp(min=1)
        seen = ((right < 0) | (left > 0)).float()
        start, end = self.uniform(count, 0.08, 0.3), self.uniform(count, 0.6, 0.8)
        slope = self.uniform(count, 0.25, 0.45) * ((along - end).clamp(min=0) / 0.25).clamp(max=1)
        slope = (slope + self.uniform(count, 0.0, 0.4) * ((start - along).clamp(min=0) / start)) * small
        flank = ((along >= 0) & (along <= 1) & (v > slope) & (v < 0.93)).float() * seen * present * is_car

        # Most cars are white, grey or black.
        paint = self.colours(count, 0.03, 0.95, 0.03)
        vivid = torch.rand(count, 3, 1, 1, generator=self.random, device=self.device)
        body = torch.where(self.chance(count, 0.35)[:, None] > 0, vivid, paint)
        gloss = ((0.5 - t) * self.uniform(count, 0, 0.5)).clamp(-0.15, 0.15)
        colour = body * self.uniform(count, 0.6, 1.15)[:, None] + gloss[:, None]
        sky = self.uniform(count, 0, 0.35) * (0.5 - t).clamp(0, 0.5) * 2
        glass = self.colours(count, 0.03, 0.45, 0.04) + sky[:, None]

        def put(base: torch.Tensor, mask: torch.Tensor, what: torch.Tensor) -> torch.Tensor:
            return base * (1 - mask[:, None]) + what * mask[:, None]

        facing = is_car * (1 - turned)
        pane_end = self.uniform(count, 0.34, 0.48)
        window = ((t > 0.09) & (t < pane_end) & (s > narrow + 0.09) & (s < 0.91 - narrow)).float()
        rear = put(colour, window * facing * (1 - self.chance(count, 0.1)), glass)
        pillars = (torch.remainder(s, self.uniform(count, 0.22, 0.4)) > 0.03).float()
        side_window = ((t > profile + 0.09) & (t < pane_end) & (s > 0.08) & (s < 0.92)).float() * pillars * turned
        rear = put(rear, side_window, glass)
        lamp_row, lamp_size = self.uniform(count, 0.42, 0.6), self.uniform(count, 0.05, 0.18)
        lamp_inner = self.uniform(count, 0.28, 0.42)
        # Estates and vans have theirs upright beside the rear window.
        upright_lamps = self.chance(count, 0.3)
        lamp_row = torch.where(upright_lamps > 0, self.uniform(count, 0.15, 0.5), lamp_row)
        lamp_size = torch.where(upright_lamps > 0, self.uniform(count, 0.2, 0.35), lamp_size)
        lamp_inner = torch.where(upright_lamps > 0, self.uniform(count, 0.38, 0.45), lamp_inner)
        lamps = ((t > lamp_row) & (t < lamp_row + lamp_size) & ((s - 0.5).abs() > lamp_inner)).float() * facing
        red = torch.tensor([0.75, 0.06, 0.05], device=self.device).view(1, 3, 1, 1)
        white = torch.tensor([0.95, 0.95, 0.85], device=self.device).view(1, 3, 1, 1)
        behind = self.chance(count, 0.6)
        rear = put(rear, lamps, torch.where(behind[:, None] > 0, red, white) * self.uniform(count, 0.4, 1.0)[:, None])
        grille = ((t > lamp_row) & (t < lamp_row + 0.14) & ((s - 0.5).abs() < 0.24)).float() * facing * (1 - behind)
        rear = put(rear, grille * self.chance(count, 0.7), colour * 0.3)
        plate = ((t > 0.62) & (t < 0.72) & ((s - 0.5).abs() < 0.14)).float() * facing
        rear = put(rear, plate * self.chance(count, 0.8), self.colours(count, 0.6, 0.95, 0.1))
        bumper = ((t > self.uniform(count, 0.74, 0.84)) & (t < 0.9)).float() * is_car * self.chance(count, 0.5)
        rear = put(rear, bumper, colour * 0.5)
        under = ((t > 0.86) & ((s - 0.5).abs() < 0.3)).float() * facing
        tyres = ((t > 0.82) & ((s - 0.5).abs() > 0.32)).float() * facing
        # Round wheels of what stands across; its height over its length makes circles of them.
        tallness = (bottom - top) / (right - left).clamp(min=1)
        off_wheel = torch.minimum((s - 0.19).abs(), (s - 0.81).abs())
        round_off = torch.sqrt(off_wheel**2 + ((t - 0.82) * tallness) ** 2)
        wheel = (round_off < 0.075).float() * turned
        face = torch.maximum(face, wheel * present)
        dark = torch.maximum(torch.maximum(under, tyres), wheel)
        rear = put(rear, dark, self.colours(count, 0.02, 0.12, 0.01))
        rear = put(rear, (round_off < 0.04).float() * turned * self.chance(count, 0.7), self.colours(count, 0.3, 0.7, 0.02))
        rear = put(rear, other * (t < 0.16).float(), self.colours(count, 0.25, 0.8, 0.1))
        rear = put(rear, other * (t > 0.55).float() * self.chance(count, 0.6), self.colours(count, 0.05, 0.5, 0.1))

        flank_colour = body * self.uniform(count, 0.5, 1.1)[:, None] + (0.12 * (0.5 - v))[:, None]
        panes = ((v > slope + 0.08) & (v < pane_end) & (along > 0.1) & (along < 0.85) & (torch.remainder(along, 0.33) > 0.03)).float()
        flank_colour = put(flank_colour, panes, glass)
        wheels = (torch.minimum((along - 0.2).abs(), (along - 0.8).abs()) / 0.085) ** 2 + ((v - 0.86) / 0.2) ** 2
        flank_colour = put(flank_colour, (wheels < 1).float(), self.colours(count, 0.02, 0.15, 0.01))

        # The shadow below grounds the body; it is road still.
        spread = (right - left) * 0.06
        shadow = ((x > left - spread) & (x < right + spread) & (y > bottom - (bottom - top) * 0.1)).float()
        shadow = shadow * (y < bottom + (bottom - top) * 0.05).float() * present * self.uniform(count, 0.2, 0.85)
        picture = put(flank_colour.clamp(0, 1), face, rear.clamp(0, 1))
        # Through many cabins one sees what is behind them.
        clear = self.uniform(count, 0.0, 0.85) * self.chance(count, 0.5)
        behind_glass = torch.maximum(torch.maximum(window * facing, side_window) * face, panes * flank * (1 - face))
        cover = (torch.maximum(face, flank) * (1 - clear * behind_glass))[:, None]
        return torch.cat((picture * cover, cover, shadow[:, None]), 1)

    def _bonnet(self, canvas: "_Canvas", count: int) -> None:
        """In some cameras the own car's bonnet covers the lowest rows."""
        depth = self.uniform(count, 0.02, 0.16) * self.height * self.chance(count, 0.35)
        curve = depth * (1 - (self.x / (0.5 * self.width * self.uniform(count, 0.9, 1.6))) ** 2)
        covered = (self.y > self.height / 2 - curve).float()
        colour = self.colours(count, 0.02, 0.6, 0.08) + (0.2 * self.y / self.height)[:, None]
        canvas.image = canvas.image * (1 - covered[:, None]) + colour.clamp(0, 1) * covered[:, None]
        canvas.drivable = canvas.drivable * (1 - covered)
        canvas.lanes = canvas.lanes * (1 - covered)

    def _sensor(self, image: torch.Tensor, count: int, z: torch.Tensor, ground: torch.Tensor) -> torch.Tensor:
        fog = self.chance(count, 0.3) * self.uniform(count, 0.002, 0.03)
        depth = torch.where(ground > 0, z, FAR)
        veil = (1 - torch.exp(-depth * fog))[:, None]
        image = image * (1 - veil) + self.colours(count, 0.5, 0.9, 0.04) * veil
        night = self.chance(count, 0.12)
        beam = torch.exp(-((self.x / self.width) ** 2) * 6 - ((self.y / self.height - 0.2) ** 2) * 10)
        image = image * (1 - night * (1 - 0.12 - 0.5 * beam))[:, None]
        # Against a bright sky all that stands on the ground is nearly black.
        dusk = 1 + self.chance(count, 0.3) * self.uniform(count, 0, 1.5)
        image = image.clamp(0, 1) ** (dusk * self.uniform(count, 0.6, 1.6))[:, None] * (0.9 + self.colours(count, 0.0, 0.2, 0.08))
        image = (image - 0.5) * self.uniform(count, 0.6, 1.25)[:, None] + 0.5 + self.uniform(count, -0.1, 0.1)[:, None]
        soft = F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
        blur = self.uniform(count, 0, 1)[:, None]
        image = soft * blur + image * (1 - blur)
        noise = torch.randn(image.shape, generator=self.random, device=self.device)
        return (image + noise * self.uniform(count, 0, 0.05)[:, None]).clamp(0, 1)


def _corners(inside: torch.Tensor) -> torch.Tensor:
    """Boxes [N, 4] around what is true in masks [N, H, W]; nonsense for empty ones."""
    sides = []
    for axis in (1, 2):
        hit = inside.any(axis)
        last = hit.shape[1]
        sides.append((hit.int().argmax(1), last - hit.flip(1).int().argmax(1)))
    (left, right), (top, bottom) = sides
    return torch.stack((left, top, right, bottom), -1).float()


@dataclass
class _Canvas:
    image: torch.Tensor
    drivable: torch.Tensor
    lanes: torch.Tensor


@dataclass
class _Road:
    """image [N, 3, H, W], drivable and lanes [N, H, W]; the edges, lane width and own offset in metres [N, 1, 1]."""

    image: torch.Tensor
    drivable: torch.Tensor
    lanes: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor
    lane_width: torch.Tensor
    offset: torch.Tensor

"""Planted mistakes: a line of the package is replaced, and a test must notice.

Each `Mutant` is a mistake that was found in public GAN code, or a slip that is easy to make. Its
`killer` is the test that catches it. `python -m tests.mutants` prints the list as a table.
"""

import contextlib
import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType


@dataclass(frozen=True)
class Mutant:
    """One planted mistake."""

    name: str  # what is wrong, in the words of somebody who made it
    module: str  # where it is planted, below gan_lessons
    old: str  # the text of the package, exactly once in the module
    new: str  # what stands there instead
    killer: str  # the test that catches it: file::function


GAN = "foundations.gan"
DCGAN = "foundations.dcgan"
CGAN = "foundations.cgan"
T_GAN = "tests/foundations/test_gan.py::"
T_DCGAN = "tests/foundations/test_dcgan.py::"
T_CGAN = "tests/foundations/test_cgan.py::"
WGANGP = "objectives.wgan_gp"
T_WGANGP = "tests/objectives/test_wgan_gp.py::"
LSGAN = "objectives.lsgan"
T_LSGAN = "tests/objectives/test_lsgan.py::"
WGAN = "objectives.wgan"
T_WGAN = "tests/objectives/test_wgan.py::"
AAE = "latent.aae"
T_AAE = "tests/latent/test_aae.py::"
T_TRAINING = "tests/test_training.py::"
T_METRICS = "tests/test_metrics.py::"
WGAN_DIV = "objectives.wgan_div"
T_WGAN_DIV = "tests/objectives/test_wgan_div.py::"
DRAGAN = "objectives.dragan"
T_DRAGAN = "tests/objectives/test_dragan.py::"
BEGAN = "objectives.began"
T_BEGAN = "tests/objectives/test_began.py::"
BGAN = "objectives.bgan"
T_BGAN = "tests/objectives/test_bgan.py::"
ACGAN = "latent.acgan"
T_ACGAN = "tests/latent/test_acgan.py::"

BIGAN = "latent.bigan"
T_BIGAN = "tests/latent/test_bigan.py::"
CLUSTERGAN = "latent.clustergan"
T_CLUSTERGAN = "tests/latent/test_clustergan.py::"
CLUSTERS = "metrics.clusters"
T_CLUSTERS = "tests/test_metrics_clusters.py::"
COGAN = "latent.cogan"
T_PAIRS = "tests/data/test_pairs.py::"
T_COGAN = "tests/latent/test_cogan.py::"
PIX2PIX = "translation.pix2pix"
T_PIX2PIX = "tests/translation/test_pix2pix.py::"
TRANSLATORS = "translation.networks"
T_TRANSLATORS = "tests/translation/test_networks.py::"
PICTURES = "metrics.pictures"
T_PICTURES = "tests/test_metrics_pictures.py::"
AGREEMENT = "metrics.agreement"
T_AGREEMENT = "tests/test_metrics_agreement.py::"
DOMAINS = "data.domains"
T_DOMAINS = "tests/data/test_domains.py::"
CYCLEGAN = "translation.cyclegan"
T_CYCLEGAN = "tests/translation/test_cyclegan.py::"
TRANSLATION_NETWORKS = "translation.networks"

D_LOSS = "return softplus(-real_scores).mean() + softplus(fake_scores).mean()"
G_LOSS = "return softplus(-fake_scores).mean()"

MUTANTS = [
    # --- losses ---
    Mutant(
        "the sign of the real scores is flipped",
        GAN,
        D_LOSS,
        "return softplus(real_scores).mean() + softplus(fake_scores).mean()",
        T_GAN + "test_discriminator_loss",
    ),
    Mutant(
        "the two terms of the discriminator's loss are averaged, the equation adds them",
        GAN,
        D_LOSS,
        "return (softplus(-real_scores).mean() + softplus(fake_scores).mean()) / 2",
        T_GAN + "test_discriminator_loss",
    ),
    Mutant(
        "the batch is summed, not averaged",
        DCGAN,
        D_LOSS,
        "return softplus(-real_scores).sum() + softplus(fake_scores).sum()",
        T_DCGAN + "test_discriminator_loss",
    ),
    Mutant(
        "the generator's loss is called non-saturating and is the saturating one",
        GAN,
        G_LOSS,
        "return -softplus(fake_scores).mean()",
        T_GAN + "test_generator_losses",
    ),
    Mutant(
        "the minimax loss uses the labels of real images, which makes it the non-saturating one",
        GAN,
        "return -softplus(fake_scores).mean()",
        "return softplus(-fake_scores).mean()",
        T_GAN + "test_generator_losses",
    ),
    Mutant(
        "log(sigmoid + 1e-8) instead of softplus: no gradient where the discriminator is sure",
        DCGAN,
        G_LOSS,
        "return -(fake_scores.sigmoid() + 1e-8).log().mean()",
        T_DCGAN + "test_generator_loss",
    ),
    Mutant(
        "least squares instead of the logistic loss, and still called CGAN",
        CGAN,
        D_LOSS,
        "return (real_scores - 1).square().mean() + fake_scores.square().mean()",
        T_CGAN + "test_losses",
    ),
    # --- the step ---
    Mutant(
        "no detach: the discriminator's loss reaches the generator",
        DCGAN,
        "fake = self.generator(self.noise(len(real))).detach()",
        "fake = self.generator(self.noise(len(real)))",
        T_DCGAN + "test_the_discriminator_step_leaves_no_gradient_in_the_generator",
    ),
    Mutant(
        "the generator learns on the noise of the discriminator's last batch",
        DCGAN,
        "torch.randn(n, self.config.latent_dim, device=device)",
        "self.__dict__.setdefault('z', torch.randn(n, self.config.latent_dim, device=device))",
        T_DCGAN + "test_a_step_draws_fresh_noise_for_the_generator",
    ),
    Mutant(
        "the discriminator's optimiser holds the generator's parameters",
        DCGAN,
        "self.discriminator_optimizer = adam(self.discriminator,",
        "self.discriminator_optimizer = adam(self.generator,",
        T_DCGAN + "test_each_step_moves_one_network",
    ),
    Mutant(
        "real and generated images go through batch normalisation in one batch",
        DCGAN,
        "real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)",
        "real_scores, fake_scores = self.discriminator(torch.cat([real, fake])).chunk(2)",
        T_DCGAN + "test_the_step_reports_the_loss_of_the_two_batches_apart",
    ),
    Mutant(
        "the generator moves first, against yesterday's discriminator",
        GAN,
        "return self.discriminator_step(batch.x) | self.generator_step(len(batch.x))",
        "return self.generator_step(len(batch.x)) | self.discriminator_step(batch.x)",
        T_GAN + "test_the_discriminator_goes_first_and_the_generator_sees_the_new_one",
    ),
    Mutant(
        "gradients are not cleared before the next step",
        "steps",
        "    optimizer.zero_grad()\n",
        "",
        "tests/test_steps.py::test_update_forgets_the_last_gradient",
    ),
    Mutant(
        "the discriminator collects gradients of the generator's loss",
        "steps",
        "        parameter.requires_grad_(False)\n",
        "        pass\n",
        "tests/test_steps.py::test_frozen_passes_gradients_on_and_collects_none",
    ),
    Mutant(
        "the discriminator stays frozen for good",
        "steps",
        "            parameter.requires_grad_(True)\n",
        "            pass\n",
        "tests/test_steps.py::test_frozen_passes_gradients_on_and_collects_none",
    ),
    Mutant(
        "samples are drawn in training mode: each depends on its batch",
        "steps",
        "    module.eval()\n",
        "",
        T_DCGAN + "test_samples_do_not_depend_on_their_batch",
    ),
    # --- networks ---
    Mutant(
        "a sigmoid at the end of the discriminator, below a loss on logits",
        GAN,
        "return self.layers(x.flatten(1)).squeeze(1)",
        "return self.layers(x.flatten(1)).squeeze(1).sigmoid()",
        T_GAN + "test_the_score_is_no_probability",
    ),
    Mutant(
        "BatchNorm2d(n, 0.8): the second argument is eps, not momentum",
        DCGAN,
        "[norm(n_in)] if norm else []",
        "[nn.BatchNorm2d(n_in, 0.8)] if norm else []",
        T_DCGAN + "test_batch_norm_has_the_usual_numbers",
    ),
    Mutant(
        "batch normalisation at the discriminator's input layer",
        DCGAN,
        "stride=2, padding=1), nn.LeakyReLU(0.2)]",
        "stride=2, padding=1), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]",
        T_DCGAN + "test_rule_2_batch_norm_but_at_the_image",
    ),
    Mutant(
        "the weights start ten times too large",
        DCGAN,
        "nn.init.normal_(module.weight, 0.0, 0.02)",
        "nn.init.normal_(module.weight, 0.0, 0.2)",
        T_DCGAN + "test_start",
    ),
    # --- conditions ---
    Mutant(
        "the discriminator judges fakes with other labels than they were made for",
        CGAN,
        "self.discriminator(real, y), self.discriminator(fake, y)",
        "self.discriminator(real, y), self.discriminator(fake, y.roll(1, 0))",
        T_CGAN + "test_fakes_are_judged_with_the_label_they_were_made_for",
    ),
    Mutant(
        "the generator does not look at the label",
        CGAN,
        "return self.layers(torch.cat([z, y], dim=1)[:, :, None, None])",
        "return self.layers(torch.cat([z, 0 * y], dim=1)[:, :, None, None])",
        T_CGAN + "test_both_players_listen_to_the_label",
    ),
    Mutant(
        "the label planes are left out of the discriminator",
        CGAN,
        "planes = y[:, :, None, None].expand(-1, -1, *x.shape[2:])",
        "planes = 0 * y[:, :, None, None].expand(-1, -1, *x.shape[2:])",
        T_CGAN + "test_both_players_listen_to_the_label",
    ),
    # --- loop ---
    Mutant(
        "the average keeps the weight of the new value, not of the old",
        "training",
        "get_ema_multi_avg_fn(decay)",
        "get_ema_multi_avg_fn(1 - decay)",
        T_TRAINING + "test_averaged_weights_follow_the_formula",
    ),
    Mutant(
        "the seed is ignored",
        "runs",
        "            torch.manual_seed(seed)\n",
        "            torch.seed()\n",
        T_TRAINING + "test_same_seed_same_numbers_other_seed_other_numbers",
    ),
    Mutant(
        "a look at the samples moves the random numbers of the training",
        "training",
        "    with own_randomness(torch.device(run.device)):\n        if run.steps in moments",
        "    if True:\n        if run.steps in moments",
        T_TRAINING + "test_snapshots_and_monitor_do_not_change_the_training",
    ),
    Mutant(
        "the optimiser's moments are not saved",
        "runs",
        "        optimizer.load_state_dict(_unpack_optimizer(facts, groups, name))\n",
        "        pass\n",
        T_TRAINING + "test_resumed_after_loading_equals_never_interrupted",
    ),
    # --- data ---
    Mutant(
        "images in [0, 1] for a generator that ends in tanh",
        "data.tensors",
        "div_(127.5).sub_(1)",
        "div_(255)",
        "tests/data/test_tensors.py::test_bytes_become_floats_from_minus_one_to_one_and_back",
    ),
    # --- metrics ---
    Mutant(
        "a sample counts as its own nearest neighbour",
        "metrics.images",
        "NearestNeighbors(n_neighbors=k + 1)",
        "NearestNeighbors(n_neighbors=k)",
        T_METRICS + "test_precision_and_recall_agree_with_all_pairs",
    ),
    Mutant(
        "precision and recall are exchanged",
        "metrics.images",
        "precision=(around_fake > 0)",
        "precision=(around_real > 0)",
        T_METRICS + "test_precision_is_quality_and_recall_is_variety",
    ),
    Mutant(
        "a mode counts as covered by points that are nowhere near it",
        "metrics.points",
        "good = distance <= 3 * std",
        "good = distance >= 0",
        T_METRICS + "test_modes_that_are_missing_or_missed",
    ),
    Mutant(
        "the kernel distance keeps the pairs of a sample with itself",
        "metrics.images",
        "if size == len(fake) == len(real):",
        "fake = torch.cat([fake, fake])\n    if False:",
        T_METRICS + "test_kernel_distance_agrees_with_double_sum",
    ),
    # --- wgan_gp ---
    Mutant(
        "WGAN-GP: the norm of the gradient is taken over the channels, pixel by pixel",
        WGANGP,
        "gradients.flatten(1).norm(2, dim=1)",
        "gradients.norm(2, dim=1)",
        T_WGANGP + "test_penalty_of_a_linear_critic_is_exact",
    ),
    Mutant(
        "WGAN-GP: one norm for the whole batch",
        WGANGP,
        "gradients.flatten(1).norm(2, dim=1)",
        "gradients.norm(2)[None]",
        T_WGANGP + "test_each_point_has_a_norm_of_its_own",
    ),
    Mutant(
        "WGAN-GP: a root of squares has no gradient where the critic is flat",
        WGANGP,
        "gradients.flatten(1).norm(2, dim=1)",
        "gradients.flatten(1).square().sum(1).sqrt()",
        T_WGANGP + "test_a_flat_critic_has_a_finite_gradient",
    ),
    Mutant(
        "WGAN-GP: one e for the whole batch",
        WGANGP,
        "torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)",
        "torch.rand(*[1] * real.dim(), device=real.device)",
        T_WGANGP + "test_one_e_for_each_sample_uniform_from_0_to_1",
    ),
    Mutant(
        "WGAN-GP: another e for each pixel",
        WGANGP,
        "torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)",
        "torch.rand_like(real)",
        T_WGANGP + "test_one_e_for_each_sample_uniform_from_0_to_1",
    ),
    Mutant(
        "WGAN-GP: e has the dimensions of images, also for points",
        WGANGP,
        "torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)",
        "torch.rand(len(real), 1, 1, 1, device=real.device)",
        T_WGANGP + "test_points_between",
    ),
    Mutant(
        "WGAN-GP: e is normal, so that points lie beyond the two samples",
        WGANGP,
        "e = torch.rand(",
        "e = torch.randn(",
        T_WGANGP + "test_one_e_for_each_sample_uniform_from_0_to_1",
    ),
    Mutant(
        "WGAN-GP: no create_graph, so that the penalty moves no weight",
        WGANGP,
        "create_graph=True",
        "retain_graph=True",
        T_WGANGP + "test_the_critics_step_has_the_penalised_loss",
    ),
    Mutant(
        "WGAN-GP: the penalty at real points only",
        WGANGP,
        "gradient_norms(self.critic, between(real, fake))",
        "gradient_norms(self.critic, real)",
        T_WGANGP + "test_the_critics_step_has_the_penalised_loss",
    ),
    Mutant(
        "WGAN-GP: the penalty wants a squared norm of one",
        WGANGP,
        "((norms - 1) ** 2).mean()",
        "((norms**2 - 1) ** 2).mean()",
        T_WGANGP + "test_gradient_penalty_is_two_sided_and_on_the_norm",
    ),
    Mutant(
        "WGAN-GP: the penalty is one-sided, the paper's is not",
        WGANGP,
        "((norms - 1) ** 2).mean()",
        "((norms - 1).clamp_min(0) ** 2).mean()",
        T_WGANGP + "test_gradient_penalty_is_two_sided_and_on_the_norm",
    ),
    Mutant(
        "WGAN-GP: the weight of the penalty is forgotten",
        WGANGP,
        "self.config.penalty_weight * gradient_penalty(norms)",
        "gradient_penalty(norms)",
        T_WGANGP + "test_the_critics_step_has_the_penalised_loss",
    ),
    Mutant(
        "WGAN-GP: batch normalisation in the critic",
        WGANGP,
        "self.critic = Discriminator(config)",
        "self.critic = Discriminator(config, batch_norm=True)",
        T_WGANGP + "test_the_model_has_no_batch_normalisation_in_the_critic",
    ),
    Mutant(
        "WGAN-GP: the critic ranks fakes above real samples",
        WGANGP,
        "return fake_scores.mean() - real_scores.mean()",
        "return real_scores.mean() - fake_scores.mean()",
        T_WGANGP + "test_critic_loss",
    ),
    Mutant(
        "WGAN-GP: the generator lowers the scores of its fakes",
        WGANGP,
        "return -fake_scores.mean()",
        "return fake_scores.mean()",
        T_WGANGP + "test_generator_loss",
    ),
    Mutant(
        "WGAN-GP: the reported estimate holds the penalty",
        WGANGP,
        '"estimate": -distance',
        '"estimate": -loss',
        T_WGANGP + "test_what_a_step_reports",
    ),
    Mutant(
        "WGAN-GP: no detach in the critic's step",
        WGANGP,
        "self.generator(self.noise(len(real))).detach()",
        "self.generator(self.noise(len(real)))",
        T_WGANGP + "test_no_loss_leaves_a_gradient_at_the_other_network",
    ),
    Mutant(
        "WGAN-GP: the generator learns on the noise of the last critic step",
        WGANGP,
        "torch.randn(n, self.config.latent_dim, device=device)",
        "self.__dict__.setdefault('z', torch.randn(n, self.config.latent_dim, device=device))",
        T_WGANGP + "test_critic_steps_on_samples_of_their_own_then_one_of_the_generator",
    ),
    Mutant(
        "WGAN-GP: the generator moves after every step of the critic",
        WGANGP,
        "logged = self.critic_step(real)\n",
        "logged = self.critic_step(real) | self.generator_step(len(real))\n",
        T_WGANGP + "test_critic_steps_on_samples_of_their_own_then_one_of_the_generator",
    ),
    Mutant(
        "WGAN-GP: all steps of the critic on the same samples",
        WGANGP,
        "logged = self.critic_step(real)\n",
        "logged = self.critic_step(batch.x[: len(real)])\n",
        T_WGANGP + "test_critic_steps_on_samples_of_their_own_then_one_of_the_generator",
    ),
    Mutant(
        "WGAN-GP: the critic's Adam has the momentum of a DCGAN",
        WGANGP,
        "adam(self.critic, config.learning_rate, config.betas)",
        "adam(self.critic, config.learning_rate, (0.5, 0.999))",
        T_WGANGP + "test_optimisers_have_the_settings_of_the_config",
    ),
    # --- lsgan ---
    Mutant(
        "LSGAN: a sigmoid is left in front of the squared error of the discriminator",
        LSGAN,
        "return ((real_scores - b) ** 2).mean() / 2 + ((fake_scores - a) ** 2).mean() / 2",
        "return ((real_scores.sigmoid() - b) ** 2 + (fake_scores.sigmoid() - a) ** 2).mean() / 2",
        T_LSGAN + "test_discriminator_loss",
    ),
    Mutant(
        "LSGAN: a sigmoid is left in front of the squared error of the generator",
        LSGAN,
        "return ((fake_scores - c) ** 2).mean() / 2",
        "return ((fake_scores.sigmoid() - c) ** 2).mean() / 2",
        T_LSGAN + "test_generator_loss",
    ),
    Mutant(
        "LSGAN: the generator's loss has no one half, the discriminator's has it",
        LSGAN,
        "return ((fake_scores - c) ** 2).mean() / 2",
        "return ((fake_scores - c) ** 2).mean()",
        T_LSGAN + "test_generator_loss",
    ),
    Mutant(
        "LSGAN: the one half stands at one of the two terms only",
        LSGAN,
        "((real_scores - b) ** 2).mean() / 2 +",
        "((real_scores - b) ** 2).mean() +",
        T_LSGAN + "test_discriminator_loss",
    ),
    Mutant(
        "LSGAN: the mean score is squared, not the score of each sample",
        LSGAN,
        "((fake_scores - a) ** 2).mean() / 2",
        "(fake_scores.mean() - a) ** 2 / 2",
        T_LSGAN + "test_discriminator_loss",
    ),
    Mutant(
        "LSGAN: the targets of real samples and fakes are swapped",
        LSGAN,
        "return ((real_scores - b) ** 2).mean() / 2 + ((fake_scores - a) ** 2).mean() / 2",
        "return ((real_scores - a) ** 2).mean() / 2 + ((fake_scores - b) ** 2).mean() / 2",
        T_LSGAN + "test_discriminator_loss",
    ),
    Mutant(
        "LSGAN: mixed codings: the generator always aims at 1, whatever the discriminator was told",
        LSGAN,
        "loss = generator_loss(fake_scores, self.coding.c)",
        "loss = generator_loss(fake_scores)",
        T_LSGAN + "test_the_step_by_hand",
    ),
    Mutant(
        "LSGAN: mixed codings: the discriminator always has the targets 0 and 1",
        LSGAN,
        "loss = discriminator_loss(real_scores, fake_scores, self.coding.a, self.coding.b)",
        "loss = discriminator_loss(real_scores, fake_scores)",
        T_LSGAN + "test_the_step_by_hand",
    ),
    Mutant(
        "LSGAN: the generator aims at the target of fakes",
        LSGAN,
        "loss = generator_loss(fake_scores, self.coding.c)",
        "loss = generator_loss(fake_scores, self.coding.a)",
        T_LSGAN + "test_the_step_by_hand",
    ),
    Mutant(
        "LSGAN: a sigmoid ends the discriminator where it is used",
        LSGAN,
        "fake_scores = self.discriminator(self.generator(self.noise(n)))",
        "fake_scores = self.discriminator(self.generator(self.noise(n))).sigmoid()",
        T_LSGAN + "test_the_step_by_hand",
    ),
    Mutant(
        "no detach: LSGAN's discriminator loss reaches the generator",
        LSGAN,
        "fake = self.generator(self.noise(len(real))).detach()",
        "fake = self.generator(self.noise(len(real)))",
        T_LSGAN + "test_no_loss_leaves_a_gradient_at_the_other_network",
    ),
    Mutant(
        "LSGAN's generator learns on the noise of the discriminator's batch",
        LSGAN,
        "return torch.randn(n, self.config.latent_dim, device=device)",
        "return self.__dict__.setdefault('z', torch.randn(n, self.config.latent_dim))",
        T_LSGAN + "test_the_generator_gets_fresh_noise",
    ),
    Mutant(
        "LSGAN's generator moves first, against yesterday's discriminator",
        LSGAN,
        "return self.discriminator_step(batch.x) | self.generator_step(len(batch.x))",
        "return self.generator_step(len(batch.x)) | self.discriminator_step(batch.x)",
        T_LSGAN + "test_the_step_by_hand",
    ),
    Mutant(
        "real and generated images share a batch normalisation in LSGAN's discriminator",
        LSGAN,
        "real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)",
        "real_scores, fake_scores = self.discriminator(torch.cat([real, fake])).chunk(2)",
        T_LSGAN + "test_real_and_fake_batches_stay_apart",
    ),
    Mutant(
        "LSGAN has batch normalisation in the discriminator, whether asked for or not",
        LSGAN,
        "Discriminator(config, config.batch_norm)",
        "Discriminator(config, True)",
        T_LSGAN + "test_batch_norm_in_the_discriminator_is_a_choice",
    ),
    # --- wgan_div ---
    Mutant(
        "WGAN-div: the slope is squared twice: ||g||^(2p)",
        WGAN_DIV,
        "return (squared ** (power / 2)).mean()",
        "return (squared**power).mean()",
        T_WGAN_DIV + "test_slope_penalty",
    ),
    Mutant(
        "WGAN-div: (||g|| - 1)^p: the penalty is centred at 1, as in WGAN-GP",
        WGAN_DIV,
        "return (squared ** (power / 2)).mean()",
        "return ((squared.sqrt() - 1) ** power).mean()",
        T_WGAN_DIV + "test_slope_penalty",
    ),
    Mutant(
        "WGAN-div: a root before the power: NaN where the critic is flat",
        WGAN_DIV,
        "return (squared ** (power / 2)).mean()",
        "return (squared.sqrt() ** power).mean()",
        T_WGAN_DIV + "test_no_nan_where_the_critic_is_flat",
    ),
    Mutant(
        "WGAN-div: the power is computed in half precision, where 7^6 is infinite",
        WGAN_DIV,
        "return (squared ** (power / 2)).mean()",
        "return (squared.half() ** (power / 2)).mean()",
        T_WGAN_DIV + "test_float16_is_too_small_for_the_sixth_power",
    ),
    Mutant(
        "WGAN-div: no create_graph: the penalty does not move the critic",
        WGAN_DIV,
        "points, create_graph=True)",
        "points, retain_graph=True)",
        T_WGAN_DIV + "test_the_critics_loss_and_its_gradient",
    ),
    Mutant(
        "WGAN-div: one slope for the whole batch",
        WGAN_DIV,
        "return gradients.flatten(1).square().sum(1)",
        "return gradients.square().sum()[None]",
        T_WGAN_DIV + "test_one_slope_for_each_sample_over_all_dimensions",
    ),
    Mutant(
        "WGAN-div: one slope for each pixel, over its channels",
        WGAN_DIV,
        "return gradients.flatten(1).square().sum(1)",
        "return gradients.square().sum(1)",
        T_WGAN_DIV + "test_one_slope_for_each_sample_over_all_dimensions",
    ),
    Mutant(
        "WGAN-div: the points of the penalty, the real batch among them, ask for no gradient",
        WGAN_DIV,
        "points = points.detach().requires_grad_()",
        "points = points.detach()",
        T_WGAN_DIV + "test_each_slope_is_that_of_its_own_sample",
    ),
    Mutant(
        "WGAN-div: one e for the whole batch",
        WGAN_DIV,
        "e = torch.rand(len(real), *[1]",
        "e = torch.rand(1, *[1]",
        T_WGAN_DIV + "test_between",
    ),
    Mutant(
        "WGAN-div: one e for each pixel",
        WGAN_DIV,
        "e = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)",
        "e = torch.rand_like(real)",
        T_WGAN_DIV + "test_points_lie_on_the_way_from_fake_to_real",
    ),
    Mutant(
        "WGAN-div: the penalty at real samples only",
        WGAN_DIV,
        "return e * real + (1 - e) * fake",
        "return real + 0 * e * fake",
        T_WGAN_DIV + "test_between",
    ),
    Mutant(
        "WGAN-div: the weight k is halved once too often",
        WGAN_DIV,
        "loss = distance + self.config.penalty_weight * penalty",
        "loss = distance + self.config.penalty_weight / 2 * penalty",
        T_WGAN_DIV + "test_the_step_reports_its_loss",
    ),
    Mutant(
        "WGAN-div: the power of the config is ignored",
        WGAN_DIV,
        "slope_penalty(squared, self.config.power)",
        "slope_penalty(squared)",
        T_WGAN_DIV + "test_the_step_reports_its_loss",
    ),
    Mutant(
        "WGAN-div: -L_D, with the penalty in it, is logged as the estimate",
        WGAN_DIV,
        '"estimate": -distance',
        '"estimate": -loss',
        T_WGAN_DIV + "test_the_step_reports_its_loss",
    ),
    Mutant(
        "WGAN-div: the critic raises the score of fakes",
        WGAN_DIV,
        "return fake_scores.mean() - real_scores.mean()",
        "return real_scores.mean() - fake_scores.mean()",
        T_WGAN_DIV + "test_critic_loss",
    ),
    Mutant(
        "WGAN-div: the generator lowers its own score",
        WGAN_DIV,
        "return -fake_scores.mean()",
        "return fake_scores.mean()",
        T_WGAN_DIV + "test_generator_loss",
    ),
    Mutant(
        "WGAN-div: the critic's loss reaches the generator",
        WGAN_DIV,
        "fake = self.generator(self.noise(len(real))).detach()",
        "fake = self.generator(self.noise(len(real)))",
        T_WGAN_DIV + "test_no_loss_leaves_a_gradient_at_the_other_network",
    ),
    Mutant(
        "WGAN-div: the generator learns on the noise of the critic's last batch",
        WGAN_DIV,
        "return torch.randn(n, self.config.latent_dim, device=device)",
        "z = torch.randn(n, self.config.latent_dim, device=device)\n"
        "        return self.__dict__.setdefault('z', z)",
        T_WGAN_DIV + "test_every_critic_step_has_its_own_samples_then_the_generator_moves_once",
    ),
    Mutant(
        "WGAN-div: the generator moves after each step of the critic",
        WGAN_DIV,
        "logged = self.critic_step(real)\n"
        "        return logged | self.generator_step(self.config.batch_size)",
        "logged = self.critic_step(real) | self.generator_step(self.config.batch_size)\n"
        "        return logged",
        T_WGAN_DIV + "test_every_critic_step_has_its_own_samples_then_the_generator_moves_once",
    ),
    Mutant(
        "WGAN-div: all steps of the critic see the same batch",
        WGAN_DIV,
        "for real in batch.x.split(self.config.batch_size):",
        "for real in [batch.x[: self.config.batch_size]] * self.config.critic_steps:",
        T_WGAN_DIV + "test_every_critic_step_has_its_own_samples_then_the_generator_moves_once",
    ),
    Mutant(
        "WGAN-div: batch normalisation in a critic whose slope is penalised",
        WGAN_DIV,
        "self.critic = Discriminator(config)",
        "self.critic = Discriminator(config, batch_norm=True)",
        T_WGAN_DIV + "test_the_critic_judges_each_image_alone",
    ),
    Mutant(
        "WGAN-div: the critic's optimiser holds the generator",
        WGAN_DIV,
        "self.critic_optimizer = adam(self.critic,",
        "self.critic_optimizer = adam(self.generator,",
        T_WGAN_DIV + "test_each_step_moves_its_own_network",
    ),
    # --- dragan ---
    Mutant(
        "DRAGAN: the adversarial loss is never back-propagated: only the penalty is",
        DRAGAN,
        "update(self.discriminator_optimizer, loss)",
        "update(self.discriminator_optimizer, gradient_penalty(norms))",
        T_DRAGAN + "test_the_step_descends_the_whole_objective",
    ),
    Mutant(
        "DRAGAN: the penalty is computed and left out of the loss",
        DRAGAN,
        "loss = loss + self.config.penalty_weight *",
        "_ = loss + self.config.penalty_weight *",
        T_DRAGAN + "test_the_step_descends_the_whole_objective",
    ),
    Mutant(
        "DRAGAN: the penalty has no weight",
        DRAGAN,
        "loss = loss + self.config.penalty_weight *",
        "loss = loss +",
        T_DRAGAN + "test_the_step_descends_the_whole_objective",
    ),
    Mutant(
        "DRAGAN: the penalty always asks for the slope 1, whatever k is",
        DRAGAN,
        "gradient_penalty(norms, self.config.slope)",
        "gradient_penalty(norms)",
        T_DRAGAN + "test_the_step_descends_the_whole_objective",
    ),
    Mutant(
        "DRAGAN: no create_graph, so that the penalty moves no weight",
        DRAGAN,
        "create_graph=True",
        "retain_graph=True",
        T_DRAGAN + "test_the_step_descends_the_whole_objective",
    ),
    Mutant(
        "DRAGAN: the norm of the gradient is taken over the channels, pixel by pixel",
        DRAGAN,
        "gradients.flatten(1).norm(2, dim=1)",
        "gradients.norm(2, dim=1)",
        T_DRAGAN + "test_penalty_of_a_linear_score_is_exact_whatever_the_noise",
    ),
    Mutant(
        "DRAGAN: one norm for the whole batch",
        DRAGAN,
        "gradients.flatten(1).norm(2, dim=1)",
        "gradients.norm(2)[None]",
        T_DRAGAN + "test_every_norm_depends_on_its_own_sample",
    ),
    Mutant(
        "DRAGAN: a root of squares has no gradient where the score is flat",
        DRAGAN,
        "gradients.flatten(1).norm(2, dim=1)",
        "gradients.flatten(1).square().sum(1).sqrt()",
        T_DRAGAN + "test_the_gradient_is_zero_and_not_nan_where_the_score_is_flat",
    ),
    Mutant(
        "DRAGAN: the penalty is on sigmoid(D), which has a quarter of the slope at most",
        DRAGAN,
        "discriminator(points).sum()",
        "discriminator(points).sigmoid().sum()",
        T_DRAGAN + "test_the_slope_is_the_scores_not_the_probabilitys",
    ),
    Mutant(
        "DRAGAN: only slopes above k are penalised",
        DRAGAN,
        "((norms - slope) ** 2).mean()",
        "((norms - slope).clamp_min(0) ** 2).mean()",
        T_DRAGAN + "test_gradient_penalty_is_two_sided_and_on_the_norm",
    ),
    Mutant(
        "DRAGAN: the squared norm is compared with k",
        DRAGAN,
        "((norms - slope) ** 2).mean()",
        "((norms**2 - slope) ** 2).mean()",
        T_DRAGAN + "test_gradient_penalty_is_two_sided_and_on_the_norm",
    ),
    Mutant(
        "DRAGAN: one-sided noise, which only makes images brighter",
        DRAGAN,
        "torch.randn_like(real)",
        "torch.rand_like(real)",
        T_DRAGAN + "test_the_noise_is_a_centred_gaussian_in_units_of_the_spread",
    ),
    Mutant(
        "DRAGAN: one noise for all pixels of a sample",
        DRAGAN,
        "torch.randn_like(real)",
        "torch.randn(len(real), *[1] * (real.dim() - 1))",
        T_DRAGAN + "test_points_around_the_data",
    ),
    Mutant(
        "DRAGAN: one noise for the whole batch",
        DRAGAN,
        "torch.randn_like(real)",
        "torch.randn_like(real[:1])",
        T_DRAGAN + "test_points_around_the_data",
    ),
    Mutant(
        "DRAGAN: the noise is made on the CPU, wherever the data are",
        DRAGAN,
        "torch.randn_like(real)",
        "torch.randn(real.shape)",
        T_DRAGAN + "test_the_noise_is_made_where_the_data_are",
    ),
    Mutant(
        "DRAGAN: the noise knows nothing of the data's spread",
        DRAGAN,
        "scale * real.std() *",
        "scale *",
        T_DRAGAN + "test_the_noise_is_a_centred_gaussian_in_units_of_the_spread",
    ),
    Mutant(
        "DRAGAN: the variance of the data in place of the standard deviation",
        DRAGAN,
        "real.std()",
        "real.var()",
        T_DRAGAN + "test_the_noise_is_a_centred_gaussian_in_units_of_the_spread",
    ),
    Mutant(
        "DRAGAN: the penalty around the fakes",
        DRAGAN,
        "around(real, self.config.noise_scale)",
        "around(fake, self.config.noise_scale)",
        T_DRAGAN + "test_the_slope_is_measured_around_the_data_whatever_the_fakes_are",
    ),
    Mutant(
        "DRAGAN: the penalty between data and fakes, as in WGAN-GP",
        DRAGAN,
        "around(real, self.config.noise_scale)",
        "torch.lerp(real, fake, torch.rand_like(real))",
        T_DRAGAN + "test_the_slope_is_measured_around_the_data_whatever_the_fakes_are",
    ),
    Mutant(
        "DRAGAN: the penalty at the data themselves, without noise",
        DRAGAN,
        "around(real, self.config.noise_scale)",
        "real",
        T_DRAGAN + "test_the_penalty_is_not_at_the_data_themselves",
    ),
    Mutant(
        "DRAGAN: batch normalisation in the penalised discriminator",
        DRAGAN,
        "Discriminator(config)",
        "Discriminator(config, batch_norm=True)",
        T_DRAGAN + "test_every_norm_depends_on_its_own_sample",
    ),
    Mutant(
        "DRAGAN: no detach: the discriminator's loss reaches the generator",
        DRAGAN,
        "fake = self.generator(self.noise(len(real))).detach()",
        "fake = self.generator(self.noise(len(real)))",
        T_DRAGAN + "test_no_loss_leaves_a_gradient_at_the_other_network",
    ),
    Mutant(
        "DRAGAN: the generator moves first, against yesterday's discriminator",
        DRAGAN,
        "return self.discriminator_step(batch.x) | self.generator_step(len(batch.x))",
        "return self.generator_step(len(batch.x)) | self.discriminator_step(batch.x)",
        T_DRAGAN + "test_one_step_is_the_discriminators_then_the_generators_on_fresh_noise",
    ),
    Mutant(
        "DRAGAN: the generator learns on the noise of the discriminator's last batch",
        DRAGAN,
        "torch.randn(n, self.config.latent_dim, device=device)",
        "self.__dict__.setdefault('z', torch.randn(n, self.config.latent_dim, device=device))",
        T_DRAGAN + "test_one_step_is_the_discriminators_then_the_generators_on_fresh_noise",
    ),
    Mutant(
        "DRAGAN: the generator's loss is the saturating one",
        DRAGAN,
        "return softplus(-fake_scores).mean()",
        "return -softplus(fake_scores).mean()",
        T_DRAGAN + "test_generator_loss",
    ),
    # --- began ---
    Mutant(
        "BEGAN: the error is summed over the pixels, and the controller is far too strong",
        BEGAN,
        ".abs().flatten(1).mean(1)",
        ".abs().flatten(1).sum(1)",
        T_BEGAN + "test_error_of_each_sample",
    ),
    Mutant(
        "BEGAN: the error is the mean over the batch, not one for each sample",
        BEGAN,
        ".abs().flatten(1).mean(1)",
        ".abs().mean()",
        T_BEGAN + "test_error_of_each_sample",
    ),
    Mutant(
        "BEGAN: the fakes' error is added, so the discriminator learns to redraw them",
        BEGAN,
        "return real_errors.mean() - k * fake_errors.mean()",
        "return real_errors.mean() + k * fake_errors.mean()",
        T_BEGAN + "test_discriminator_loss",
    ),
    Mutant(
        "BEGAN: gamma stands at the fakes' error, on the wrong side",
        BEGAN,
        "return gamma * real_error - fake_error",
        "return real_error - gamma * fake_error",
        T_BEGAN + "test_controller",
    ),
    Mutant(
        "BEGAN: the controller pushes k away from the balance",
        BEGAN,
        "return gamma * real_error - fake_error",
        "return fake_error - gamma * real_error",
        T_BEGAN + "test_k_moves_towards_the_balance_unless_it_is_clipped",
    ),
    Mutant(
        "BEGAN: k is not clamped",
        BEGAN,
        ".detach().clamp(0, 1)",
        ".detach()",
        T_BEGAN + "test_controller",
    ),
    Mutant(
        "BEGAN: k is clamped below only",
        BEGAN,
        ".detach().clamp(0, 1)",
        ".detach().clamp(min=0)",
        T_BEGAN + "test_controller",
    ),
    Mutant(
        "BEGAN: k drags the graph of every step along",
        BEGAN,
        ".detach().clamp(0, 1)",
        ".clamp(0, 1)",
        T_BEGAN + "test_no_gradient_reaches_k",
    ),
    Mutant(
        "BEGAN: the measure of convergence has no absolute value",
        BEGAN,
        "return real_error + off_balance.abs()",
        "return real_error + off_balance",
        T_BEGAN + "test_global_measure",
    ),
    Mutant(
        "BEGAN: the gradient is cut at the target, the first G(z) of the generator's loss",
        BEGAN,
        "return (samples - reconstructions)",
        "return (samples.detach() - reconstructions)",
        T_BEGAN + "test_both_occurrences_of_the_sample_carry_gradient",
    ),
    Mutant(
        "BEGAN: the generator's step cuts the gradient at the target",
        BEGAN,
        "generator_loss(errors(fake, self.discriminator(fake)))",
        "generator_loss(errors(fake.detach(), self.discriminator(fake)))",
        T_BEGAN + "test_the_generator_step_follows_the_gradient_through_both_occurrences",
    ),
    Mutant(
        "BEGAN: the generator's step cuts the gradient at the reconstruction",
        BEGAN,
        "generator_loss(errors(fake, self.discriminator(fake)))",
        "generator_loss(errors(fake, self.discriminator(fake.detach())))",
        T_BEGAN + "test_the_generator_step_follows_the_gradient_through_both_occurrences",
    ),
    Mutant(
        "BEGAN: batch normalisation in the autoencoder, so an error depends on the batch",
        BEGAN,
        "return nn.GroupNorm(1, channels)",
        "return nn.BatchNorm2d(channels)",
        T_BEGAN + "test_the_error_of_a_sample_does_not_depend_on_its_company",
    ),
    Mutant(
        "BEGAN: the code is as wide as the feature maps are deep, not code_dim",
        BEGAN,
        "nn.Conv2d(maps, config.code_dim, layer_sizes(config.shape)[0])",
        "nn.Conv2d(maps, config.code_dim, 1)",
        T_BEGAN + "test_reconstructions_have_the_shape_of_the_samples",
    ),
    Mutant(
        "BEGAN: k starts at 1, against an autoencoder that cannot redraw anything yet",
        BEGAN,
        'self.register_buffer("k", torch.tensor(0.0))',
        'self.register_buffer("k", torch.tensor(1.0))',
        T_BEGAN + "test_k_starts_at_zero_and_the_discriminator_as_a_plain_autoencoder",
    ),
    Mutant(
        "BEGAN: k is no buffer and is lost when the run is saved",
        BEGAN,
        'self.register_buffer("k", torch.tensor(0.0))',
        "self.k = torch.tensor(0.0)",
        T_BEGAN + "test_k_is_saved_with_the_run",
    ),
    Mutant(
        "BEGAN: the history holds k itself, so that every entry is the last value",
        BEGAN,
        '"k": self.k.clone()',
        '"k": self.k',
        T_BEGAN + "test_the_history_of_k_keeps_every_value",
    ),
    Mutant(
        "BEGAN: .data[0] of a number without axes, which torch has refused since 0.5",
        BEGAN,
        '"k": self.k.clone()',
        '"k": self.k.data[0].clone()',
        T_BEGAN + "test_the_history_of_k_keeps_every_value",
    ),
    Mutant(
        "BEGAN: k is moved by the fakes of the discriminator's step",
        BEGAN,
        'self.control_step(logged["real_error"], logged["generator_loss"])',
        'self.control_step(logged["real_error"], '
        '(logged["real_error"] - logged["discriminator_loss"]) / self.k)',
        T_BEGAN + "test_the_steps_report_the_losses_of_the_equations",
    ),
    Mutant(
        "BEGAN: no detach, so the discriminator's loss reaches the generator",
        BEGAN,
        "fake = self.generator(self.noise(len(real))).detach()",
        "fake = self.generator(self.noise(len(real)))",
        T_BEGAN + "test_no_loss_leaves_a_gradient_at_the_other_network",
    ),
    Mutant(
        "BEGAN: the generator learns on the noise of the discriminator's batch",
        BEGAN,
        "torch.randn(n, self.config.latent_dim, device=device)",
        "self.__dict__.setdefault('z', torch.randn(n, self.config.latent_dim, device=device))",
        T_BEGAN + "test_the_steps_report_the_losses_of_the_equations",
    ),
    # --- bgan ---
    Mutant(
        "BGAN: every image counts as fake, the labels are ignored",
        BGAN,
        D_LOSS,
        "return softplus(real_scores).mean() + softplus(fake_scores).mean()",
        T_BGAN + "test_discriminator_loss",
    ),
    Mutant(
        "BGAN: log(1 - sigmoid) in float32, which is infinite at a score of 20",
        BGAN,
        "return (fake_scores**2).mean() / 2",
        "P = fake_scores.sigmoid()\n    return (P.log() - (1 - P).log()).square().mean() / 2",
        T_BGAN + "test_the_losses_are_exact_for_extreme_scores",
    ),
    Mutant(
        "BGAN: no half, so the slope is twice the score",
        BGAN,
        "return (fake_scores**2).mean() / 2",
        "return (fake_scores**2).mean()",
        T_BGAN + "test_generator_loss",
    ),
    Mutant(
        "BGAN: the non-saturating loss, which seeks no boundary",
        BGAN,
        "return (fake_scores**2).mean() / 2",
        "return softplus(-fake_scores).mean()",
        T_BGAN + "test_the_slope_changes_its_sign_at_the_boundary_and_the_gans_never_does",
    ),
    Mutant(
        "BGAN: softmax over the batch, not over the draws of one noise",
        BGAN,
        "fake_scores.detach().softmax(0)",
        "fake_scores.detach().softmax(1)",
        T_BGAN + "test_weights_sum_to_one_over_the_draws_of_each_noise",
    ),
    Mutant(
        "BGAN: one softmax over all draws of all noises",
        BGAN,
        "fake_scores.detach().softmax(0)",
        "fake_scores.detach().flatten().softmax(0).reshape(fake_scores.shape)",
        T_BGAN + "test_importance_weights",
    ),
    Mutant(
        "BGAN: exp of the scores without taking the largest away, which overflows",
        BGAN,
        "fake_scores.detach().softmax(0)",
        "(fake_scores.detach().exp() / fake_scores.detach().exp().sum(0))",
        T_BGAN + "test_weights_sum_to_one_over_the_draws_of_each_noise",
    ),
    Mutant(
        "BGAN: weights that are not detached",
        BGAN,
        "fake_scores.detach().softmax(0)",
        "fake_scores.softmax(0)",
        T_BGAN + "test_only_the_log_probabilities_get_a_gradient",
    ),
    Mutant(
        "BGAN: weights from probabilities, not from the ratio P / (1 - P)",
        BGAN,
        "fake_scores.detach().softmax(0)",
        "(fake_scores.detach().sigmoid() / fake_scores.detach().sigmoid().sum(0))",
        T_BGAN + "test_at_the_optimal_score_the_weights_turn_fakes_into_data",
    ),
    Mutant(
        "BGAN: the weights keep their mean, and with it the noise",
        BGAN,
        "((weights - 1 / len(weights)) * log_probabilities)",
        "(weights * log_probabilities)",
        T_BGAN + "test_the_mean_of_the_weights_changes_nothing_on_average_and_takes_noise_away",
    ),
    Mutant(
        "BGAN: the good images are made less probable",
        BGAN,
        "return -((weights - 1 / len(weights)) * log_probabilities)",
        "return ((weights - 1 / len(weights)) * log_probabilities)",
        T_BGAN + "test_the_weighted_loss_descends_the_divergence",
    ),
    Mutant(
        "BGAN: effective draws from the sum over the batch",
        BGAN,
        "(1 / weights.square().sum(0)).mean()",
        "1 / weights.square().sum()",
        T_BGAN + "test_effective_draws",
    ),
    Mutant(
        "BGAN: REINFORCE without a baseline",
        BGAN,
        "rewards = (fake_scores - fake_scores.mean()).detach()",
        "rewards = fake_scores.detach()",
        T_BGAN + "test_losses_of_drawn_images",
    ),
    Mutant(
        "BGAN: the rewards of REINFORCE are not detached",
        BGAN,
        "rewards = (fake_scores - fake_scores.mean()).detach()",
        "rewards = fake_scores - fake_scores.mean()",
        T_BGAN + "test_only_the_log_probabilities_get_a_gradient",
    ),
    Mutant(
        "BGAN: mean over the pixels, which is no log-probability of an image",
        BGAN,
        ".flatten(2).sum(2)",
        ".flatten(2).mean(2)",
        T_BGAN + "test_log_probability",
    ),
    Mutant(
        "BGAN: the sign of the logit is flipped in the normalisation",
        BGAN,
        "(pixels * logits - softplus(logits))",
        "(pixels * logits - softplus(-logits))",
        T_BGAN + "test_log_probabilities_of_all_images_sum_to_one",
    ),
    Mutant(
        "BGAN: the logarithm of a rounded probability, infinite for a sure pixel",
        BGAN,
        "(pixels * logits - softplus(logits))",
        "torch.where(pixels > 0, logits.sigmoid(), 1 - logits.sigmoid()).log()",
        T_BGAN + "test_log_probabilities_are_finite_for_extreme_logits",
    ),
    Mutant(
        "BGAN: pixels are cut at one half, so all draws of one noise are alike",
        BGAN,
        "logits.detach().sigmoid().expand(draws, *logits.shape).bernoulli()",
        "(logits.sigmoid() > 0.5).float().expand(draws, *logits.shape)",
        T_BGAN + "test_draws_follow_the_probabilities_and_pass_no_gradient",
    ),
    Mutant(
        "BGAN: probabilities in place of draws, and a gradient through them",
        BGAN,
        "logits.detach().sigmoid().expand(draws, *logits.shape).bernoulli()",
        "logits.sigmoid().expand(draws, *logits.shape)",
        T_BGAN + "test_draws_follow_the_probabilities_and_pass_no_gradient",
    ),
    Mutant(
        "BGAN: a graph through bernoulli, whose gradient is zero",
        BGAN,
        "logits.detach().sigmoid().expand(draws, *logits.shape).bernoulli()",
        "logits.sigmoid().expand(draws, *logits.shape).bernoulli()",
        T_BGAN + "test_draws_follow_the_probabilities_and_pass_no_gradient",
    ),
    Mutant(
        "BGAN: one draw, repeated",
        BGAN,
        "logits.detach().sigmoid().expand(draws, *logits.shape).bernoulli()",
        "logits.detach().sigmoid().bernoulli().expand(draws, *logits.shape)",
        T_BGAN + "test_draws_of_one_noise_differ",
    ),
    Mutant(
        "BGAN: a tanh before the probabilities, which stay between 0.27 and 0.73",
        BGAN,
        "Generator(config, tanh=False)",
        "Generator(config)",
        T_BGAN + "test_logits_are_not_bounded",
    ),
    Mutant(
        "BGAN: binary fakes against grey real images",
        BGAN,
        "self.discriminator(binarise(real))",
        "self.discriminator(real)",
        T_BGAN + "test_the_discriminator_sees_binary_images_in_one_range_only",
    ),
    Mutant(
        "BGAN: the generator's draws are judged as 0 and 1, the others as -1 and 1",
        BGAN,
        "self.discriminator((2 * pixels - 1).flatten(0, 1))",
        "self.discriminator(pixels.flatten(0, 1))",
        T_BGAN + "test_the_discriminator_sees_binary_images_in_one_range_only",
    ),
    Mutant(
        "BGAN: draws and noises are exchanged when the scores are unfolded",
        BGAN,
        ".unflatten(0, pixels.shape[:2])",
        ".unflatten(0, (pixels.shape[1], pixels.shape[0])).T",
        T_BGAN + "test_the_discrete_generator_step_by_hand",
    ),
    Mutant(
        "BGAN: no detach, so the discriminator's loss reaches the generator",
        BGAN,
        "fake = self.generator(self.noise(len(real))).detach()",
        "fake = self.generator(self.noise(len(real)))",
        T_BGAN + "test_no_loss_leaves_a_gradient_at_the_other_network",
    ),
    Mutant(
        "BGAN: the continuous generator learns on the noise of the discriminator's batch",
        BGAN,
        "return torch.randn(n, self.config.latent_dim, device=device)\n\n"
        "    def discriminator_step",
        "z = torch.randn(n, self.config.latent_dim, device=device)\n"
        "        return self.__dict__.setdefault('z', z)\n\n    def discriminator_step",
        T_BGAN + "test_both_players_get_fresh_noise",
    ),
    Mutant(
        "BGAN: the discrete generator learns on the noise of the discriminator's batch",
        BGAN,
        "return torch.randn(n, self.config.latent_dim, device=device)\n\n    def draw",
        "z = torch.randn(n, self.config.latent_dim, device=device)\n"
        "        return self.__dict__.setdefault('z', z)\n\n    def draw",
        T_BGAN + "test_both_players_get_fresh_noise",
    ),
    # --- wgan ---
    Mutant(
        "WGAN: the critic's sign is flipped and the generator's is not",
        WGAN,
        "return fake_scores.mean() - real_scores.mean()",
        "return real_scores.mean() - fake_scores.mean()",
        T_WGAN + "test_critic_loss",
    ),
    Mutant(
        "WGAN: the generator's sign is flipped and the critic's is not",
        WGAN,
        "return -fake_scores.mean()",
        "return fake_scores.mean()",
        T_WGAN + "test_generator_loss",
    ),
    Mutant(
        "WGAN: the hinge loss, called Wasserstein",
        WGAN,
        "return fake_scores.mean() - real_scores.mean()",
        "return (1 + fake_scores).relu().mean() + (1 - real_scores).relu().mean()",
        T_WGAN + "test_critic_loss",
    ),
    Mutant(
        "WGAN: no clipping at all",
        WGAN,
        "clip_weights(self.critic, self.config.clip)",
        "pass",
        T_WGAN + "test_all_weights_are_inside_the_limits_after_every_critic_step",
    ),
    Mutant(
        "WGAN: the weights are clipped before the update, so that G faces a critic that is not",
        WGAN,
        """        update(self.critic_optimizer, loss)
        clip_weights(self.critic, self.config.clip)""",
        """        clip_weights(self.critic, self.config.clip)
        update(self.critic_optimizer, loss)""",
        T_WGAN + "test_the_generator_faces_a_clipped_critic",
    ),
    Mutant(
        "WGAN: the biases are not clipped",
        WGAN,
        "for parameter in module.parameters():",
        "for parameter in (p for p in module.parameters() if p.dim() > 1):",
        T_WGAN + "test_clipping_takes_biases_too_and_leaves_buffers",
    ),
    Mutant(
        "WGAN: the weights are clipped from above only",
        WGAN,
        "parameter.clamp_(-limit, limit)",
        "parameter.clamp_(max=limit)",
        T_WGAN + "test_clipping",
    ),
    Mutant(
        "WGAN: the generator's weights are clipped, too",
        WGAN,
        "clip_weights(self.critic, self.config.clip)",
        "clip_weights(self, self.config.clip)",
        T_WGAN + "test_only_the_critic_is_clipped",
    ),
    Mutant(
        "WGAN: a clipped critic with batch normalisation, whose buffers nobody clips",
        WGAN,
        "self.critic = Discriminator(config)",
        "self.critic = Discriminator(config, batch_norm=True)",
        T_WGAN + "test_the_score_of_an_image_depends_on_that_image_alone",
    ),
    Mutant(
        "WGAN: Adam with momentum for the clipped critic",
        WGAN,
        "self.critic_optimizer = rmsprop(self.critic, config.learning_rate)",
        "self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), config.learning_rate)",
        T_WGAN + "test_a_step_is_the_algorithm_of_the_paper",
    ),
    Mutant(
        "WGAN: the generator moves after the first of the critic's steps",
        WGAN,
        """            logged = self.critic_step(real)
        return logged | self.generator_step(self.config.batch_size)""",
        """            logged = self.critic_step(real)
            if real.data_ptr() == batch.x.data_ptr():
                moved = self.generator_step(self.config.batch_size)
        return logged | moved""",
        T_WGAN + "test_several_critic_steps_then_one_of_the_generator",
    ),
    Mutant(
        "WGAN: all critic steps see the same real samples",
        WGAN,
        "logged = self.critic_step(real)",
        "logged = self.critic_step(batch.x[: self.config.batch_size])",
        T_WGAN + "test_several_critic_steps_then_one_of_the_generator",
    ),
    Mutant(
        "WGAN: the generator learns on the noise of the critic's last batch",
        WGAN,
        "torch.randn(n, self.config.latent_dim, device=device)",
        "self.__dict__.setdefault('z', torch.randn(n, self.config.latent_dim, device=device))",
        T_WGAN + "test_every_update_has_noise_of_its_own",
    ),
    Mutant(
        "WGAN: no detach: the critic's loss reaches the generator",
        WGAN,
        "fake = self.generator(self.noise(len(real))).detach()",
        "fake = self.generator(self.noise(len(real)))",
        T_WGAN + "test_no_loss_leaves_a_gradient_at_the_other_network",
    ),
    Mutant(
        "WGAN: the loss is logged as the estimate of the distance",
        WGAN,
        '"estimate": -loss',
        '"estimate": loss',
        T_WGAN + "test_a_step_is_the_algorithm_of_the_paper",
    ),
    # --- acgan ---
    Mutant(
        "ACGAN: a softmax before the cross-entropy",
        ACGAN,
        "return cross_entropy(logits, labels)",
        "return cross_entropy(logits.softmax(dim=1), labels)",
        T_ACGAN + "test_the_class_loss_is_the_cross_entropy_of_logits",
    ),
    Mutant(
        "ACGAN: the source loss of the real samples has the wrong sign",
        ACGAN,
        D_LOSS,
        "return softplus(real_scores).mean() + softplus(fake_scores).mean()",
        T_ACGAN + "test_losses",
    ),
    Mutant(
        "ACGAN: the discriminator names the classes of real samples only",
        ACGAN,
        "return sources + class_loss(real_logits, y) + class_loss(fake_logits, y)",
        "return sources + class_loss(real_logits, y)",
        T_ACGAN + "test_losses",
    ),
    Mutant(
        "ACGAN: the generator is not asked for the class",
        ACGAN,
        "return softplus(-fake_scores).mean() + class_loss(fake_logits, y)",
        "return softplus(-fake_scores).mean()",
        T_ACGAN + "test_losses",
    ),
    Mutant(
        "ACGAN: the generator's minimax loss, which saturates",
        ACGAN,
        "return softplus(-fake_scores).mean() + class_loss(fake_logits, y)",
        "return -softplus(fake_scores).mean() + class_loss(fake_logits, y)",
        T_ACGAN + "test_losses",
    ),
    Mutant(
        "ACGAN: the generator is rewarded for the wrong class",
        ACGAN,
        "return softplus(-fake_scores).mean() + class_loss(fake_logits, y)",
        "return softplus(-fake_scores).mean() - class_loss(fake_logits, y)",
        T_ACGAN + "test_a_generator_of_points_learns_to_obey",
    ),
    Mutant(
        "ACGAN: the score is the logit of the first class, too",
        ACGAN,
        "return numbers[:, 0], numbers[:, 1:]",
        "return numbers[:, 0], numbers[:, :-1]",
        T_ACGAN + "test_score_and_classes_are_eleven_different_numbers",
    ),
    Mutant(
        "ACGAN: the discriminator ends in a softmax",
        ACGAN,
        "return numbers[:, 0], numbers[:, 1:]",
        "return numbers[:, 0], numbers[:, 1:].softmax(dim=1)",
        T_ACGAN + "test_score_and_classes_are_eleven_different_numbers",
    ),
    Mutant(
        "ACGAN: the label does not reach the generator",
        ACGAN,
        "torch.cat([z, y], dim=1)",
        "torch.cat([z, 0 * y], dim=1)",
        T_ACGAN + "test_the_generator_listens_to_the_label",
    ),
    Mutant(
        "ACGAN: fakes are made for other labels than they are said to have",
        ACGAN,
        "self.encode(labels)).detach()",
        "self.encode(labels.flip(0))).detach()",
        T_ACGAN + "test_fakes_are_asked_for_the_labels_of_the_real_batch",
    ),
    Mutant(
        "ACGAN: the generator's loss takes other labels than the generator was asked for",
        ACGAN,
        "generator_loss(fake_scores, fake_logits, labels)",
        "generator_loss(fake_scores, fake_logits, labels.flip(0))",
        T_ACGAN + "test_step_reports_the_losses_of_what_the_discriminator_answered",
    ),
    Mutant(
        "ACGAN: the discriminator's loss goes back into the generator",
        ACGAN,
        "self.encode(labels)).detach()",
        "self.encode(labels))",
        T_ACGAN + "test_noise_is_fresh_and_the_discriminator_gets_no_graph",
    ),
    Mutant(
        "ACGAN: the generator's loss leaves gradients on the discriminator",
        ACGAN,
        "with frozen(self.discriminator):",
        "with frozen(nn.Identity()):",
        T_ACGAN + "test_the_generator_step_leaves_no_gradients_on_the_discriminator",
    ),
    Mutant(
        "ACGAN: measured on random classes, not on those of the test images",
        ACGAN,
        "run.sample(len(test), labels=test.labels, seed=seed)",
        "run.sample(len(test), seed=seed)",
        T_ACGAN + "test_measure_asks_for_the_labels_of_the_test_images",
    ),
    # --- BiGAN ---
    Mutant(
        "BiGAN: the encoder's label is not swapped: it helps the discriminator",
        BIGAN,
        "return softplus(real_scores).mean()",
        "return softplus(-real_scores).mean()",
        T_BIGAN + "test_encoder_loss",
    ),
    Mutant(
        "BiGAN: the generator's label is not swapped",
        BIGAN,
        "return softplus(-fake_scores).mean()",
        "return softplus(fake_scores).mean()",
        T_BIGAN + "test_generator_loss",
    ),
    Mutant(
        "BiGAN: the discriminator's labels are exchanged",
        BIGAN,
        "return softplus(-real_scores).mean() + softplus(fake_scores).mean()",
        "return softplus(real_scores).mean() + softplus(-fake_scores).mean()",
        T_BIGAN + "test_the_discriminator_maximises_the_value",
    ),
    Mutant(
        "BiGAN: the encoder learns from generated images",
        BIGAN,
        "real_scores = self.discriminator(real, self.encoder(real))",
        "real_scores = self.discriminator(real, self.encoder(self.sample(len(real))))",
        T_BIGAN + "test_nothing_compares_an_image_with_its_reconstruction",
    ),
    Mutant(
        "BiGAN: a reconstruction term in the encoder's loss",
        BIGAN,
        "loss = encoder_loss(real_scores)",
        "loss = encoder_loss(real_scores) + (real - self.generator(self.encoder(real))).norm()",
        T_BIGAN + "test_nothing_compares_an_image_with_its_reconstruction",
    ),
    Mutant(
        "BiGAN: the discriminator's loss reaches the encoder: its detach is missing",
        BIGAN,
        "self.encoder(real).detach()",
        "self.encoder(real)",
        T_BIGAN + "test_each_loss_leaves_gradients_at_one_network_only",
    ),
    Mutant(
        "BiGAN: the discriminator's loss reaches the generator: its detach is missing",
        BIGAN,
        "self.generator(z).detach()",
        "self.generator(z)",
        T_BIGAN + "test_each_loss_leaves_gradients_at_one_network_only",
    ),
    Mutant(
        "BiGAN: the generator's image is paired with another noise",
        BIGAN,
        "fake_scores = self.discriminator(self.generator(z), z)",
        "fake_scores = self.discriminator(self.generator(self.noise(n)), z)",
        T_BIGAN + "test_the_steps_report_the_losses_of_the_equations",
    ),
    Mutant(
        "BiGAN: fakes are paired with their encoding instead of their noise",
        BIGAN,
        "self.discriminator(fake, z)",
        "self.discriminator(fake, self.encode(fake))",
        T_BIGAN + "test_the_steps_report_the_losses_of_the_equations",
    ),
    Mutant(
        "BiGAN: one score for the sample plus one for the code: pairs are never judged",
        BIGAN,
        "return self.common(pair).squeeze(1)",
        "return (sample + code).sum(dim=1)",
        T_BIGAN + "test_the_discriminator_judges_pairs",
    ),
    Mutant(
        "BiGAN: batch normalisation in the discriminator of pairs",
        BIGAN,
        "convolutions(config.width, config.shape, norm=None)",
        "convolutions(config.width, config.shape)",
        T_BIGAN + "test_the_score_of_a_pair_does_not_depend_on_its_company",
    ),
    Mutant(
        "BiGAN: a bounded code for an unbounded prior",
        BIGAN,
        "nn.Sequential(*features, code, nn.Flatten())",
        "nn.Sequential(*features, code, nn.Flatten(), nn.Tanh())",
        T_BIGAN + "test_codes_reach_as_far_as_the_prior",
    ),
    Mutant(
        "BiGAN: the ratio of the errors is upside down",
        BIGAN,
        "return own / random",
        "return random / own",
        T_BIGAN + "test_error_ratio",
    ),
    Mutant(
        "BiGAN: one norm over the whole batch in the ratio",
        BIGAN,
        "(v - redrawn).flatten(1).norm(dim=1).mean()",
        "(v - redrawn).norm()",
        T_BIGAN + "test_error_ratio",
    ),
    Mutant(
        "AAE: the discriminator takes codes for real and the prior for fake",
        AAE,
        "loss = discriminator_loss(real_scores, fake_scores)",
        "loss = discriminator_loss(fake_scores, real_scores)",
        T_AAE + "test_the_prior_is_real",
    ),
    Mutant(
        "AAE: the phases are merged into one weighted loss",
        AAE,
        "loss = reconstruction_loss(x, self.decoder(self.encoder(x)))",
        """codes = self.encoder(x)
        adversarial = encoder_loss(self.discriminator(codes))
        loss = 0.999 * reconstruction_loss(x, self.decoder(codes)) + 0.001 * adversarial""",
        T_AAE + "test_a_round_is_the_three_phases_in_their_order_with_fresh_codes",
    ),
    Mutant(
        "AAE: the discriminator learns on codes from before the reconstruction",
        AAE,
        "logged = self.reconstruction_step(batch.x) | self.discriminator_step(batch.x)",
        "logged = self.discriminator_step(batch.x) | self.reconstruction_step(batch.x)",
        T_AAE + "test_a_round_is_the_three_phases_in_their_order_with_fresh_codes",
    ),
    Mutant(
        "AAE: two phases share an optimiser",
        AAE,
        'update(self.encoder_optimizer, loss)\n        return {"encoder_loss"',
        'update(self.reconstruction_optimizer, loss)\n        return {"encoder_loss"',
        T_AAE + "test_each_phase_has_an_optimizer_of_its_own",
    ),
    Mutant(
        "AAE: no detach: the discriminator's loss reaches the encoder",
        AAE,
        "fake = self.encoder(x).detach()",
        "fake = self.encoder(x)",
        T_AAE + "test_no_phase_leaves_a_gradient_where_it_must_not_move",
    ),
    Mutant(
        "AAE: the encoder's step leaves gradients at the discriminator",
        AAE,
        "with frozen(self.discriminator):",
        "with frozen(self.decoder):",
        T_AAE + "test_no_phase_leaves_a_gradient_where_it_must_not_move",
    ),
    Mutant(
        "AAE: the encoder plays the saturating loss",
        AAE,
        "return softplus(-fake_scores).mean()",
        "return -softplus(fake_scores).mean()",
        T_AAE + "test_encoder_loss",
    ),
    Mutant(
        "AAE: the discriminator is built for images",
        AAE,
        "self.discriminator = self.discriminator_class(config, code_dim)",
        "self.discriminator = self.discriminator_class(config, math.prod(config.shape))",
        T_AAE + "test_the_discriminator_takes_codes_not_images",
    ),
    Mutant(
        "AAE: exp(log variance) is taken for the standard deviation",
        AAE,
        "(log_variance / 2).exp()",
        "log_variance.exp()",
        T_AAE + "test_drawn_codes_have_the_variance_and_noise_of_their_own",
    ),
    Mutant(
        "AAE: one noise for the whole batch",
        AAE,
        "torch.randn_like(mean)",
        "torch.randn_like(mean[:1])",
        T_AAE + "test_drawn_codes_have_the_variance_and_noise_of_their_own",
    ),
    Mutant(
        "AAE: samples are decoded from N(0, I), whatever the prior",
        AAE,
        "self.decoder(self.prior(n) if z is None else z)",
        "self.decoder(torch.randn(n, self.config.latent_dim) if z is None else z)",
        T_AAE + "test_samples_are_decoded_from_the_prior",
    ),
    Mutant(
        "AAE: the class head ends in a softmax before the cross-entropy",
        AAE,
        "return cross_entropy(logits, labels)",
        "return cross_entropy(logits.softmax(1), labels)",
        T_AAE + "test_classification_loss",
    ),
    Mutant(
        "AAE: labels meet the images that have none",
        AAE,
        "labelled = batch.x[: len(batch.y)]",
        "labelled = batch.x[-len(batch.y) :]",
        T_AAE + "test_only_the_first_images_need_a_label",
    ),
    Mutant(
        "AAE: the prior of the class is a soft distribution, not a corner",
        AAE,
        "one_hot(labels, self.config.classes).float()",
        "one_hot(labels, self.config.classes).float().softmax(1)",
        T_AAE + "test_discrete_codes_are_probabilities_and_the_prior_corners",
    ),
    Mutant(
        "AAE: the class of the code is not normalised",
        AAE,
        "numbers[:, : self.classes].softmax(1)",
        "numbers[:, : self.classes].sigmoid()",
        T_AAE + "test_discrete_codes_are_probabilities_and_the_prior_corners",
    ),
    Mutant(
        "Kernel distance: points are paired with themselves",
        "metrics.kernels",
        "own = (_kernels(a, a) - n) / (n * (n - 1)) + (_kernels(b, b) - m) / (m * (m - 1))",
        "own = _kernels(a, a) / n**2 + _kernels(b, b) / m**2",
        T_AAE + "test_kernel_distance",
    ),
    Mutant(
        "Few labels: the images without a label come from the few, too",
        "data.few_labels",
        "others = self.others.batch(n - n // 4, generator)",
        "others = self.labelled.batch(n - n // 4, generator)",
        "tests/data/test_few_labels.py::test_the_first_quarter_of_a_batch_is_labelled",
    ),
    # --- CoGAN, and data in two domains ---
    Mutant(
        "CoGAN: the discriminators share the layers at the image, and score by layers of their own",
        COGAN,
        """        (first, self.shared), (second, _) = (
            cut(_scoring_layers(config), config.own_discriminator_layers, at_end=False)
            for _ in range(2)
        )
        self.own = nn.ModuleList([first, second])

    def forward(self, pair: Tensor) -> Tensor:
        # One pass a domain, so that batch normalisation never mixes their statistics.
        scores = [self.shared(own(x)) for own, x in zip(self.own, pair, strict=True)]""",
        """        (self.shared, first), (_, second) = (
            cut(_scoring_layers(config), config.own_discriminator_layers, at_end=True)
            for _ in range(2)
        )
        self.own = nn.ModuleList([first, second])

    def forward(self, pair: Tensor) -> Tensor:
        # One pass a domain, so that batch normalisation never mixes their statistics.
        scores = [own(self.shared(x)) for own, x in zip(self.own, pair, strict=True)]""",
        T_COGAN + "test_the_generators_share_their_first_layers_and_the_discriminators_their_last",
    ),
    Mutant(
        "CoGAN: the generators share the layers at the image",
        COGAN,
        """config.own_generator_layers, at_end=True) for _ in range(2)
        )
        self.own = nn.ModuleList([first, second])

    def forward(self, z: Tensor) -> Tensor:
        meaning = self.shared(z[:, :, None, None])  # once: it is the same for both domains
        return torch.stack([own(meaning) for own in self.own])""",
        """config.own_generator_layers, at_end=False) for _ in range(2)
        )
        self.own, self.shared = nn.ModuleList([self.shared, _]), first

    def forward(self, z: Tensor) -> Tensor:
        return torch.stack([self.shared(own(z[:, :, None, None])) for own in self.own])""",
        T_COGAN + "test_what_is_shared_comes_first_in_one_and_last_in_the_other",
    ),
    Mutant(
        "CoGAN: the last layer is shared, too, so that both domains get one image",
        COGAN,
        "return torch.stack([own(meaning) for own in self.own])",
        "return torch.stack([self.own[0](meaning) for own in self.own])",
        T_COGAN + "test_samples_of_either_domain",
    ),
    Mutant(
        "CoGAN: each generator gets noise of its own",
        COGAN,
        "return torch.stack([own(meaning) for own in self.own])",
        "return torch.stack([own(meaning.roll(k, 0)) for k, own in enumerate(self.own)])",
        T_COGAN + "test_one_noise_goes_to_both_generators",
    ),
    Mutant(
        "CoGAN: one batch of both domains, so that normalisation mixes their statistics",
        COGAN,
        """        scores = [self.shared(own(x)) for own, x in zip(self.own, pair, strict=True)]
        return torch.stack(scores).flatten(1)""",
        """        scores = torch.cat([own(x) for own, x in zip(self.own, pair, strict=True)])
        return self.shared(scores).view(2, -1)""",
        T_COGAN + "test_batch_normalisation_never_mixes_the_domains",
    ),
    Mutant(
        "CoGAN: the two games are averaged, the equation adds them",
        COGAN,
        "return (softplus(-real_scores).mean(-1) + softplus(fake_scores).mean(-1)).sum()",
        "return softplus(-real_scores).mean() + softplus(fake_scores).mean()",
        T_COGAN + "test_discriminator_loss",
    ),
    Mutant(
        "CoGAN: the generators' loss saturates",
        COGAN,
        "return softplus(-fake_scores).mean(-1).sum()",
        "return -softplus(fake_scores).mean(-1).sum()",
        T_COGAN + "test_generator_loss",
    ),
    Mutant(
        "CoGAN: no detach: the discriminators' loss reaches the generators",
        COGAN,
        "fake = self.generator(self.noise(real.shape[1])).detach()",
        "fake = self.generator(self.noise(real.shape[1]))",
        T_COGAN + "test_no_loss_leaves_a_gradient_at_the_other_network",
    ),
    Mutant(
        "CoGAN: a pair for measuring is drawn from two noises",
        COGAN,
        "run.sample(n, seed=seed, domains=second)",
        "run.sample(n, seed=seed + 1, domains=second)",
        T_COGAN + "test_a_pair_comes_from_one_noise",
    ),
    Mutant(
        "CoGAN: pixels are compared without the known map between the domains",
        AGREEMENT,
        "pixel_agreement(expected, second).item()",
        "pixel_agreement(first, second).item()",
        T_AGREEMENT + "test_perfect_pairs_agree",
    ),
    Mutant(
        "two domains: the second is made of the same images, and leaks the pairs",
        DOMAINS,
        "first, second = halves(digits(split, size, **options))",
        "first = second = digits(split, size, **options)",
        T_DOMAINS + "test_no_digit_is_in_both_domains",
    ),
    Mutant(
        "two domains: one index for both, so that a batch is made of pairs",
        DOMAINS,
        "        x, y = self.first.batch(n, generator).x, self.second.batch(n, generator).x",
        """        index = torch.randint(len(self), (n,), generator=generator)
        x, y = self.first.floats(index), self.second.floats(index)""",
        T_DOMAINS + "test_the_domains_are_drawn_independently",
    ),
    Mutant(
        "ClusterGAN: the noise keeps the scale 1, and drowns the one-hot vectors",
        CLUSTERGAN,
        "noise = c.noise_scale * torch.randn",
        "noise = torch.randn",
        T_CLUSTERGAN + "test_the_code",
    ),
    Mutant(
        "ClusterGAN: a mean over the dimensions for the sum, and beta_n is d_n times weaker",
        CLUSTERGAN,
        "(noise - recovered).square().sum(dim=-1).mean()",
        "(noise - recovered).square().mean()",
        T_CLUSTERGAN + "test_noise_loss",
    ),
    Mutant(
        "ClusterGAN: a softmax before the cross-entropy",
        CLUSTERGAN,
        "logits.log_softmax(dim=-1)",
        "logits.softmax(dim=-1).log_softmax(dim=-1)",
        T_CLUSTERGAN + "test_class_loss",
    ),
    Mutant(
        "ClusterGAN: the code losses do not reach the generator",
        CLUSTERGAN,
        "self.encoder(fake)  #",
        "self.encoder(fake.detach())  #",
        T_CLUSTERGAN + "test_the_step_of_generator_and_encoder",
    ),
    Mutant(
        "ClusterGAN: the class loss does not reach the generator",
        CLUSTERGAN,
        "self.encoder(self.distort(fake))",
        "self.encoder(self.distort(fake.detach()))",
        T_CLUSTERGAN + "test_the_step_of_generator_and_encoder",
    ),
    Mutant(
        "ClusterGAN: the class is read from the images, not from distorted copies",
        CLUSTERGAN,
        "self.encoder(self.distort(fake))",
        "self.encoder(fake)",
        T_CLUSTERGAN + "test_the_class_is_read_from_distorted_copies_and_the_noise_from_the_images",
    ),
    Mutant(
        "ClusterGAN: one map for the whole batch",
        CLUSTERGAN,
        "(2 * torch.rand(n, 2, 3, device=device) - 1)",
        "(2 * torch.rand(1, 2, 3, device=device).expand(n, 2, 3) - 1)",
        T_CLUSTERGAN + "test_the_maps_are_affine_within_their_limits",
    ),
    Mutant(
        "ClusterGAN: lines only get thicker",
        CLUSTERGAN,
        "torch.where(torch.rand(n, 1, 1, 1, device=device) < 0.5, thicker, thinner)",
        "thicker",
        T_CLUSTERGAN + "test_lines_get_thicker_or_thinner_by_a_pixel_at_most",
    ),
    Mutant(
        "ClusterGAN: no detach: the discriminator's loss reaches the generator",
        CLUSTERGAN,
        "self.generator(self.code(len(real))).detach()",
        "self.generator(self.code(len(real)))",
        T_CLUSTERGAN + "test_no_loss_leaves_a_gradient_at_another_players_network",
    ),
    Mutant(
        "ClusterGAN: the discriminator is not frozen while the generator learns",
        CLUSTERGAN,
        "with frozen(self.discriminator):",
        "with frozen(self.generator.__class__(self.config)):",
        T_CLUSTERGAN + "test_no_loss_leaves_a_gradient_at_another_players_network",
    ),
    Mutant(
        "ClusterGAN: the generator learns on the codes of the discriminator's batch",
        CLUSTERGAN,
        "return torch.cat([noise, one_hot(clusters, c.classes).float()], dim=1)",
        "return self.__dict__.setdefault('z', torch.cat([noise, one_hot(clusters, c.classes)], 1))",
        T_CLUSTERGAN + "test_the_discriminator_first_then_generator_and_encoder_on_fresh_codes",
    ),
    Mutant(
        "ClusterGAN: each place of the snapshots has a noise of its own",
        CLUSTERGAN,
        "z[:columns, : c.noise_dim].repeat(c.classes, 1)",
        "z[:, : c.noise_dim].clone()",
        T_CLUSTERGAN + "test_snapshots_have_a_cluster_in_each_row_and_a_noise_in_each_column",
    ),
    Mutant(
        "ClusterGAN: codes from the last weights, samples from averaged ones",
        CLUSTERGAN,
        "run.averaged.encode(part",
        "run.model.encode(part",
        T_CLUSTERGAN + "test_codes_come_from_averaged_weights_in_chunks",
    ),
    Mutant(
        "ClusterGAN: k-means on logits for probabilities",
        CLUSTERGAN,
        "return noise, logits.softmax(dim=1)",
        "return noise, logits",
        T_CLUSTERGAN + "test_shapes",
    ),
    Mutant(
        "accuracy of clusters: every cluster takes its most frequent class, which is purity",
        CLUSTERS,
        "linear_sum_assignment(-counts.reshape(n_clusters, n_classes).numpy())",
        "torch.arange(n_clusters).numpy(), counts.reshape(n_clusters, -1).argmax(1).numpy()",
        T_CLUSTERS + "test_matched_classes_are_one_to_one",
    ),
    Mutant(
        "accuracy of clusters: the assignment with the highest cost",
        CLUSTERS,
        "linear_sum_assignment(-counts",
        "linear_sum_assignment(counts",
        T_CLUSTERS + "test_planted_defects",
    ),
    # --- CycleGAN ---
    Mutant(
        "CycleGAN: the identity term takes each translator's own input: it learns to do nothing",
        CYCLEGAN,
        "x_by_f, y_by_g = self.generator_yx(x), self.generator_xy(y)",
        "x_by_f, y_by_g = self.generator_xy(x), self.generator_yx(y)",
        T_CYCLEGAN + "test_who_translates_what_and_who_judges_whom",
    ),
    Mutant(
        "CycleGAN: the judge of the source domain judges the translation",
        CYCLEGAN,
        "scores_x, scores_y = self.discriminator_x(fake_x), self.discriminator_y(fake_y)",
        "scores_x, scores_y = self.discriminator_x(fake_y), self.discriminator_y(fake_x)",
        T_CYCLEGAN + "test_who_translates_what_and_who_judges_whom",
    ),
    Mutant(
        "CycleGAN: the round trip starts from a detached fake, so that half of it learns nothing",
        CYCLEGAN,
        "x_again, y_again = self.generator_yx(fake_y), self.generator_xy(fake_x)",
        "x_again, y_again = self.generator_yx(fake_y.detach()), self.generator_xy(fake_x.detach())",
        T_CYCLEGAN + "test_each_round_trip_moves_both_translators[x]",
    ),
    Mutant(
        "CycleGAN: only one of the two round trips counts",
        CYCLEGAN,
        "return (x_again - x).abs().mean() + (y_again - y).abs().mean()",
        "return (x_again - x).abs().mean() + 0 * (y_again - y).abs().mean()",
        T_CYCLEGAN + "test_cycle_loss",
    ),
    Mutant(
        "CycleGAN: the round trip is compared with squares",
        CYCLEGAN,
        "return (x_again - x).abs().mean() + (y_again - y).abs().mean()",
        "return (x_again - x).square().mean() + (y_again - y).square().mean()",
        T_CYCLEGAN + "test_cycle_loss",
    ),
    Mutant(
        "CycleGAN: the round trip is compared with the wrong end",
        CYCLEGAN,
        'losses["cycle_loss"] = cycle_loss(x, x_again, y, y_again)',
        'losses["cycle_loss"] = cycle_loss(x, y_again, y, x_again)',
        T_CYCLEGAN + "test_who_translates_what_and_who_judges_whom",
    ),
    Mutant(
        "CycleGAN: one translator makes both trips there",
        CYCLEGAN,
        "fake_x, fake_y = self.generator_yx(y), self.generator_xy(x)",
        "fake_x, fake_y = self.generator_xy(y), self.generator_xy(x)",
        T_CYCLEGAN + "test_who_translates_what_and_who_judges_whom",
    ),
    Mutant(
        "CycleGAN: the weight of the cycle is forgotten",
        CYCLEGAN,
        "total = sum(weights.get(name, 1.0) * loss for name, loss in losses.items())",
        "total = sum(losses.values())",
        T_CYCLEGAN + "test_who_translates_what_and_who_judges_whom",
    ),
    Mutant(
        "CycleGAN: a weight of 0 still costs the passes",
        CYCLEGAN,
        'if weights["cycle_loss"]:',
        "if True:",
        T_CYCLEGAN + "test_a_weight_of_zero_leaves_the_term_out",
    ),
    Mutant(
        "CycleGAN: the discriminators are not frozen",
        CYCLEGAN,
        "with frozen(self.discriminator_x), frozen(self.discriminator_y):",
        "with frozen(self.pool_x), frozen(self.pool_y):",
        T_CYCLEGAN + "test_no_loss_leaves_a_gradient_at_the_other_networks",
    ),
    Mutant(
        "CycleGAN: the optimiser holds one translator only",
        CYCLEGAN,
        "generators = nn.ModuleList([self.generator_xy, self.generator_yx])",
        "generators = nn.ModuleList([self.generator_xy])",
        T_CYCLEGAN + "test_the_optimisers_hold_both_networks_once",
    ),
    Mutant(
        "CycleGAN: the optimiser holds one discriminator only",
        CYCLEGAN,
        "discriminators = nn.ModuleList([self.discriminator_x, self.discriminator_y])",
        "discriminators = nn.ModuleList([self.discriminator_y])",
        T_CYCLEGAN + "test_each_step_moves_one_kind_of_player",
    ),
    Mutant(
        "CycleGAN: one discriminator for both domains",
        CYCLEGAN,
        "real_scores = self.discriminator_x(x), self.discriminator_y(y)",
        "real_scores = self.discriminator_y(x), self.discriminator_y(y)",
        T_CYCLEGAN + "test_each_discriminator_sees_its_own_domain",
    ),
    Mutant(
        "CycleGAN: the pools are exchanged",
        CYCLEGAN,
        "fake_x, fake_y = self.pool_x(fake_x), self.pool_y(fake_y)",
        "fake_x, fake_y = self.pool_y(fake_x), self.pool_x(fake_y)",
        T_CYCLEGAN + "test_generators_play_with_fresh_fakes_and_discriminators_with_the_pool",
    ),
    Mutant(
        "CycleGAN: the discriminators never see the pool",
        CYCLEGAN,
        "fake_x, fake_y = self.pool_x(fake_x), self.pool_y(fake_y)",
        "fake_x, fake_y = fake_x.detach(), fake_y.detach()",
        T_CYCLEGAN + "test_generators_play_with_fresh_fakes_and_discriminators_with_the_pool",
    ),
    Mutant(
        "CycleGAN: the pool keeps the graphs of its images",
        CYCLEGAN,
        "fresh = fresh.detach()",
        "fresh = fresh.view_as(fresh)",
        T_CYCLEGAN + "test_without_a_pool_samples_only_lose_their_gradient",
    ),
    Mutant(
        "CycleGAN: the pool hands out a sample and keeps it",
        CYCLEGAN,
        "self.kept[places] = torch.where(swapped, fresh, old)",
        "self.kept[places] = torch.where(swapped, old, old)",
        T_CYCLEGAN + "test_a_sample_is_given_back_or_kept_and_never_both",
    ),
    Mutant(
        "CycleGAN: the pool always hands out old samples",
        CYCLEGAN,
        '* (fresh.dim() - 1), device="cpu") < 0.5',
        '* (fresh.dim() - 1), device="cpu") < 1.5',
        T_CYCLEGAN + "test_afterwards_half_are_fresh_and_the_others_a_hundred_queries_old[1]",
    ),
    Mutant(
        "CycleGAN: one coin for the whole batch",
        CYCLEGAN,
        "swapped = torch.rand(len(fresh), *[1]",
        "swapped = torch.rand(1, *[1]",
        T_CYCLEGAN + "test_each_sample_of_a_batch_has_a_coin_of_its_own",
    ),
    Mutant(
        "CycleGAN: the pool starts to exchange before it is full",
        CYCLEGAN,
        "first, rest = fresh[: self.size - self.filled], fresh[self.size - self.filled :]",
        "room = (self.size - self.filled) // 2; first, rest = fresh[:room], fresh[room:]",
        T_CYCLEGAN + "test_the_first_fifty_come_back_as_they_are",
    ),
    Mutant(
        "CycleGAN: the pool forgets how many samples it has when it is loaded",
        CYCLEGAN,
        "self.filled = int(state)",
        "self.filled = 0 * int(state)",
        T_CYCLEGAN + "test_the_pool_is_saved_with_the_number_of_its_samples",
    ),
    Mutant(
        "CycleGAN: the step counter is not saved: after a resume the learning rate starts again",
        CYCLEGAN,
        "self.steps_done = int(state)",
        "self.steps_done = 0 * int(state)",
        T_CYCLEGAN + "test_a_run_goes_on_after_a_save_as_if_nothing_had_happened",
    ),
    Mutant(
        "CycleGAN: the settings of the decay are there, and nothing reads them",
        CYCLEGAN,
        'group["lr"] = factor * self.config.learning_rate',
        'group["lr"] = self.config.learning_rate',
        T_CYCLEGAN + "test_all_players_follow_the_schedule",
    ),
    Mutant(
        "CycleGAN: the learning rate falls from the first step on",
        CYCLEGAN,
        "left = (steps - step) / max(1.0, steps - decay_from * steps)",
        "left = (steps - step) / steps",
        T_CYCLEGAN + "test_the_learning_rate_is_constant_and_then_falls_to_zero",
    ),
    Mutant(
        "CycleGAN: the learning rate turns negative after the last step",
        CYCLEGAN,
        "return min(1.0, max(0.0, left))",
        "return min(1.0, left)",
        T_CYCLEGAN + "test_the_learning_rate_is_constant_and_then_falls_to_zero",
    ),
    Mutant(
        "CycleGAN: the factors of the learning rate pile up",
        CYCLEGAN,
        'group["lr"] = factor * self.config.learning_rate',
        'group["lr"] *= factor',
        T_CYCLEGAN + "test_all_players_follow_the_schedule",
    ),
    Mutant(
        "CycleGAN: fakes of the discriminator are asked to be real",
        CYCLEGAN,
        "return ((real_scores - 1) ** 2).mean() / 2 + (fake_scores**2).mean() / 2",
        "return ((real_scores - 1) ** 2).mean() / 2 + ((fake_scores - 1) ** 2).mean() / 2",
        T_CYCLEGAN + "test_discriminator_loss",
    ),
    Mutant(
        "CycleGAN: x is translated by F",
        CYCLEGAN,
        "with evaluating(self):\n            return self.generator_xy(x)",
        "with evaluating(self):\n            return self.generator_yx(x)",
        T_CYCLEGAN + "test_translations_by_averaged_weights_both_ways",
    ),
    Mutant(
        "CycleGAN: no noise between the translations",
        CYCLEGAN,
        "disturbed = tuple(fake + noise * torch.randn_like(fake) for fake in fakes)",
        "disturbed = tuple(fake + 0 * noise * torch.randn_like(fake) for fake in fakes)",
        T_CYCLEGAN + "test_noise_between_the_translations",
    ),
    Mutant(
        "CycleGAN: the truth for F is made from a fake",
        CYCLEGAN,
        '"L1, F": (fake_x - to_first(y)).abs().mean().item()',
        '"L1, F": (fake_x - to_first(fake_y)).abs().mean().item()',
        T_CYCLEGAN + "test_measure_tells_both_directions_apart",
    ),
    Mutant(
        "CycleGAN: labels of the other domain",
        CYCLEGAN,
        'metrics.conditional_accuracy(to_grey(fake_x, "first"), labels_y)',
        'metrics.conditional_accuracy(to_grey(fake_x, "first"), labels_x)',
        T_CYCLEGAN + "test_measure_tells_both_directions_apart",
    ),
    Mutant(
        "residual generator: padding of 7 x 7 kernels by the number of channels: sides shrink",
        TRANSLATION_NETWORKS,
        'nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect")',
        'nn.Conv2d(width, channels, 7, padding=channels - 1, padding_mode="reflect")',
        T_CYCLEGAN + "test_images_keep_their_size_and_points_theirs",
    ),
    Mutant(
        "residual generator: a ReLU after the sum of a residual block",
        TRANSLATION_NETWORKS,
        "return x + self.change(x)",
        "return (x + self.change(x)).relu()",
        T_CYCLEGAN + "test_a_residual_block_adds_to_its_input",
    ),
    Mutant(
        "pix2pix: the discriminator's loss is not halved",
        PIX2PIX,
        "softplus(-real_scores).mean() / 2 + softplus(fake_scores).mean() / 2",
        "softplus(-real_scores).mean() + softplus(fake_scores).mean()",
        T_PIX2PIX + "test_discriminator_loss",
    ),
    Mutant(
        "pix2pix: the loss is summed over the patches",
        PIX2PIX,
        "return softplus(-fake_scores).mean()",
        "return softplus(-fake_scores).sum() / len(fake_scores)",
        T_PIX2PIX + "test_the_loss_of_a_map_is_its_mean",
    ),
    Mutant(
        "pix2pix: the generator minimises the saturating form",
        PIX2PIX,
        "return softplus(-fake_scores).mean()",
        "return -softplus(fake_scores).mean()",
        T_PIX2PIX + "test_generator_loss",
    ),
    Mutant(
        "pix2pix: the distance is squared",
        PIX2PIX,
        "(target - fake).abs().mean()",
        "((target - fake) ** 2).mean()",
        T_PIX2PIX + "test_l1_is_least_at_the_median_and_l2_at_the_mean",
    ),
    Mutant(
        "pix2pix: the distance is to the input",
        PIX2PIX,
        "l1 = l1_loss(fake, y)",
        "l1 = l1_loss(fake, x)",
        T_PIX2PIX + "test_the_generator_follows_the_gradient_of_the_total",
    ),
    Mutant(
        "pix2pix: lambda is left out",
        PIX2PIX,
        "self.config.l1_weight * l1,",
        "l1,",
        T_PIX2PIX + "test_the_generator_follows_the_gradient_of_the_total",
    ),
    Mutant(
        "pix2pix: the fake is not detached",
        PIX2PIX,
        "fake.detach())",
        "fake)",
        T_PIX2PIX + "test_no_loss_leaves_a_gradient_at_the_other_player",
    ),
    Mutant(
        "pix2pix: the discriminator collects gradients of the generator's loss",
        PIX2PIX,
        "with frozen(self.discriminator):",
        "if True:",
        T_PIX2PIX + "test_no_loss_leaves_a_gradient_at_the_other_player",
    ),
    Mutant(
        "pix2pix: the input comes second where the picture is real",
        PIX2PIX,
        "self.discriminator(x, y)",
        "self.discriminator(y, x)",
        T_PIX2PIX
        + "test_the_discriminator_always_sees_the_input_first_and_the_picture_that_belongs_to_it",
    ),
    Mutant(
        "pix2pix: fakes come with the input of another pair",
        PIX2PIX,
        "self.discriminator(x, fake.detach())",
        "self.discriminator(x.roll(1, 0), fake.detach())",
        T_PIX2PIX
        + "test_the_discriminator_always_sees_the_input_first_and_the_picture_that_belongs_to_it",
    ),
    Mutant(
        "pix2pix: the discriminator does not see the input",
        PIX2PIX,
        "generator_loss(self.discriminator(x, fake))",
        "generator_loss(self.discriminator(fake, fake))",
        T_PIX2PIX + "test_the_generator_follows_the_gradient_of_the_total",
    ),
    Mutant(
        "pix2pix: the noise is switched off in samples",
        PIX2PIX,
        "noise_on(self.generator)",
        "pass",
        T_PIX2PIX + "test_two_pictures_of_one_input_differ",
    ),
    Mutant(
        "pix2pix: the mean image is that of the test pictures",
        PIX2PIX,
        "targets.mean(0).expand_as(y)",
        "y.mean(0).expand_as(y)",
        T_PIX2PIX + "test_baselines",
    ),
    Mutant(
        "patches: four convolutions of stride 2 for three",
        TRANSLATORS,
        "stride = 2 if i < halvings else 1",
        "stride = 2",
        T_TRANSLATORS + "test_patches_of_16_34_and_70_pixels_by_formula_and_by_gradient",
    ),
    Mutant(
        "patches: the receptive field counts a layer's own stride",
        TRANSLATORS,
        "side += (layer.kernel_size[0] - 1) * stride",
        "side += (layer.kernel_size[0] - 1) * stride * layer.stride[0]",
        T_TRANSLATORS + "test_receptive_fields_of_other_chains",
    ),
    Mutant(
        "patches: normalisation stays in while the field is measured",
        TRANSLATORS,
        "nn.Identity() if isinstance(child, NORMS)",
        "child if isinstance(child, NORMS)",
        T_TRANSLATORS + "test_patches_of_16_34_and_70_pixels_by_formula_and_by_gradient",
    ),
    Mutant(
        "U-Net: the doublings get their own features for the skip",
        TRANSLATORS,
        "torch.cat([x, skip], dim=1)",
        "torch.cat([x, x], dim=1)",
        T_TRANSLATORS + "test_each_skip_joins_the_doubling_of_its_size",
    ),
    Mutant(
        "U-Net: the bottleneck is normalised",
        TRANSLATORS,
        "norm = [nn.BatchNorm2d(n_out)] if i < halvings else []",
        "norm = [nn.BatchNorm2d(n_out)]",
        T_TRANSLATORS + "test_no_normalisation_at_both_ends_and_in_the_bottleneck",
    ),
    Mutant(
        "U-Net: the noise is at the picture and not in the depth",
        TRANSLATORS,
        "if i < noisy else []",
        "if i >= noisy else []",
        T_TRANSLATORS + "test_the_noise_is_in_the_innermost_doublings",
    ),
    Mutant(
        "noise that stays on: the whole network goes back to training",
        TRANSLATORS,
        "if isinstance(layer, nn.Dropout):\n            layer.train()",
        "if True:\n            layer.train()",
        T_PIX2PIX + "test_a_picture_depends_on_its_own_input_alone",
    ),
    Mutant(
        "sharpness: the wrong way up",
        PICTURES,
        "(gradient_energy(samples) / energy)",
        "(energy / gradient_energy(samples))",
        T_PICTURES + "test_sharpness",
    ),
    Mutant(
        "told apart: asked about what it was trained on",
        PICTURES,
        "network(p) for p in half[test].split(500)",
        "network(p) for p in half[train].split(500)",
        T_PICTURES + "test_it_is_asked_about_images_that_it_has_not_seen",
    ),
    Mutant(
        "told apart: the inputs are not shown",
        PICTURES,
        "if given is not None:",
        "if False:",
        T_PICTURES
        + "test_the_fresh_discriminator_sees_a_picture_that_does_not_fit_only_with_the_input",
    ),
    Mutant(
        "data, pairs: a coin for the input and another one for the target",
        "data.pairs",
        "return Batch(*both.chunk(2, dim=1))",
        "return Batch(*(flip_and_crop(v, self.flip, self.crop, generator) for v in (x, y)))",
        T_PAIRS + "test_input_and_target_share_coin_and_place",
    ),
    Mutant(
        "data, pairs: the folder above all splits, so that training sees the test pictures",
        "data.pairs",
        "if len(parts) > 1:",
        "if False:",
        T_PAIRS + "test_training_and_test_pictures_are_not_mixed",
    ),
    Mutant(
        "data, crop: the last row and column are never seen",
        "data.augment",
        "torch.randint(side - crop + 1,",
        "torch.randint(max(1, side - crop),",
        "tests/data/test_augment.py::"
        "test_a_crop_is_a_piece_of_the_image_and_every_piece_occurs_evenly",
    ),
    Mutant(
        "data, flip: one coin for the whole batch",
        "data.augment",
        "torch.rand(n, 1, 1, 1,",
        "torch.rand(1, 1, 1, 1,",
        "tests/data/test_augment.py::test_each_image_has_a_fair_coin_of_its_own",
    ),
    Mutant(
        "data, two domains: index i of one with index i of the other",
        "data.domains",
        "x, y = self.first.batch(n, generator).x, self.second.batch(n, generator).x",
        "index = torch.randint(len(self), (n,))\n"
        "        x, y = self.first.floats(index), self.second.floats(index)",
        "tests/data/test_domains.py::test_the_domains_are_drawn_independently",
    ),
    Mutant(
        "data, two colours: the same digits in both",
        "data.colours",
        '_coloured_data(second, "second")',
        '_coloured_data(first, "second")',
        "tests/data/test_colours.py::test_no_digit_is_in_both_domains",
    ),
    Mutant(
        "data, facades: photograph and label map exchanged",
        "data.facades",
        'input_side="right"',
        'input_side="left"',
        "tests/data/test_facades.py::test_a_copy_is_read_and_called_one",
    ),
    Mutant(
        "data, facades: the test houses are training houses",
        "data.facades",
        'manual_seed(2 * seed + (split == "test"))',
        "manual_seed(seed)",
        "tests/data/test_facades.py::"
        "test_same_seed_same_data_and_the_test_split_never_repeats_them",
    ),
    Mutant(
        "data, archives: the checksum is not compared",
        "data.archives",
        "if checksum != archive.sha256:",
        "if False:",
        "tests/data/test_archives.py::test_a_damaged_archive_leaves_nothing_behind",
    ),
]


@contextlib.contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Inside, the package has the mistake, wherever its functions and classes were imported to.

    The functions stay the same objects and get other code, so that nobody keeps the healthy ones.
    """
    module = importlib.import_module(f"gan_lessons.{mutant.module}")
    source = inspect.getsource(module)
    count = source.count(mutant.old)
    assert count == 1, f"{mutant.name}: {mutant.old!r} is {count} times in {mutant.module}"
    names = {name: value for name, value in vars(module).items() if name.startswith("__")}
    exec(compile(source.replace(mutant.old, mutant.new), str(module.__file__), "exec"), names)
    ill = _functions(names)
    healthy = {name: f.__code__ for name, f in _functions(vars(module)).items() if name in ill}
    try:
        for name, function in _functions(vars(module)).items():
            if name in ill:
                function.__code__ = ill[name].__code__
        yield
    finally:
        for name, function in _functions(vars(module)).items():
            if name in healthy:
                function.__code__ = healthy[name]


def _functions(names: dict) -> dict[str, FunctionType]:
    """The functions and methods that a module defines itself, by qualified name."""
    found = {}
    for value in list(names.values()):
        if getattr(value, "__module__", None) != names["__name__"]:
            continue
        members = list(vars(value).values()) if inspect.isclass(value) else [value]
        for member in members:
            member = getattr(member, "fget", None) or member  # a property
            member = inspect.unwrap(member) if callable(member) else member  # a context manager
            if (
                isinstance(member, FunctionType)
                and member.__code__.co_filename == names["__file__"]
            ):
                found[member.__qualname__] = member
    return found


if __name__ == "__main__":
    print("| planted mistake | where | caught by |\n|---|---|---|")
    for mutant in MUTANTS:
        print(f"| {mutant.name} | `gan_lessons.{mutant.module}` | `{mutant.killer}` |")

(* Inequalities for ln and exp, Jensen's inequality for ln, and large natural numbers. *)
From Coq Require Import Reals Lra Lia Psatz Arith ZArith List.
From SgdVerify Require Import Sums.
Open Scope R_scope.

Lemma ln_le_minus_1 x : 0 < x -> ln x <= x - 1.
Proof.
  intros Hx. destruct (Req_dec (ln x) 0) as [E|E].
  - assert (x = 1) by (rewrite <- (exp_ln x Hx), E; apply exp_0). lra.
  - pose proof (exp_ineq1 (ln x) E). rewrite exp_ln in H by auto. lra.
Qed.

Lemma exp_ge_plus_1 x : 1 + x <= exp x.
Proof.
  destruct (Req_dec x 0) as [->|E]. rewrite exp_0; lra.
  pose proof (exp_ineq1 x E); lra.
Qed.

Lemma ln_le_ln x y : 0 < x -> x <= y -> ln x <= ln y.
Proof. intros Hx [H| ->]; [left; apply ln_increasing; auto | lra]. Qed.

Lemma exp_le_exp x y : x <= y -> exp x <= exp y.
Proof. intros [H| ->]; [left; apply exp_increasing; auto | lra]. Qed.

Lemma ln_tangent z m : 0 < z -> 0 < m -> ln z <= ln m + z / m - 1.
Proof.
  intros Hz Hm. assert (0 < z / m) by (apply Rdiv_lt_0_compat; auto).
  pose proof (ln_le_minus_1 (z/m) H). unfold Rdiv in H0 at 1.
  rewrite ln_mult, ln_Rinv in H0; auto. lra. apply Rinv_0_lt_compat; auto.
Qed.

Lemma exp_le_quadratic x : Rabs x <= /2 -> exp x <= 1 + x + 2 * x^2.
Proof.
  intros H.
  assert (Hx : - /2 <= x <= /2).
  { split; [ | ]. pose proof (Rle_abs (-x)); rewrite Rabs_Ropp in H0; lra.
    pose proof (Rle_abs x); lra. }
  clear H.
  pose proof (exp_ge_plus_1 (-x)) as H. rewrite exp_Ropp in H.
  assert (0 < exp x) by apply exp_pos.
  assert (H1 : exp x * (1 - x) <= 1).
  { apply Rmult_le_compat_l with (r := exp x) in H; [|lra].
    rewrite Rinv_r in H by lra. lra. }
  assert (1 <= (1 - x) * (1 + x + 2 * x^2)).
  { assert (0 <= x^2 * (1 - 2 * x)) by (apply Rmult_le_pos; [apply pow2_ge_0 | lra]). nra. }
  apply Rmult_le_reg_r with (1 - x); lra.
Qed.

Lemma INR_unbounded x : exists n, x < INR n.
Proof.
  exists (Z.to_nat (up x)). rewrite INR_IZR_INZ.
  destruct (archimed x) as [H _].
  assert (IZR (up x) <= IZR (Z.of_nat (Z.to_nat (up x)))) by (apply IZR_le; lia). lra.
Qed.

Lemma ln_pow_nat x n : 0 < x -> ln (x ^ n) = INR n * ln x.
Proof.
  intros Hx. induction n. simpl. rewrite ln_1; lra.
  rewrite S_INR. simpl pow. rewrite ln_mult; auto. lra. apply pow_lt; auto.
Qed.
Lemma ln_Zpow z P : (0 < z)%Z -> (0 <= P)%Z -> ln (IZR (z ^ P)) = IZR P * ln (IZR z).
Proof.
  intros Hz HP. rewrite <- (Z2Nat.id P) at 1 by auto. rewrite <- pow_IZR.
  rewrite ln_pow_nat by (apply IZR_lt; auto). rewrite INR_IZR_INZ, Z2Nat.id; auto.
Qed.

Lemma jensen_ln n (t x : nat -> R) : (forall l, (l < n)%nat -> 0 <= t l /\ 0 < x l) -> rsum n t = 1 ->
  rsum n (fun l => t l * ln (x l)) <= ln (rsum n (fun l => t l * x l)).
Proof.
  intros H Ht.
  assert (Hn : 0 < rsum n (fun l => t l * x l)).
  { destruct (Rle_lt_dec (rsum n (fun l => t l * x l)) 0) as [Hle|]; auto. exfalso.
    assert (H0 : forall l, (l < n)%nat -> t l = 0).
    { intros l Hl. destruct (H l Hl) as [Hl1 Hl2]. destruct Hl1 as [Hl1|]; auto. exfalso.
      assert (0 < rsum n (fun l => t l * x l)).
      { apply rsum_pos with l; auto. intros j Hj. destruct (H j Hj). apply Rmult_le_pos; lra.
        apply Rmult_lt_0_compat; auto. }
      lra. }
    rewrite (rsum_ext n t (fun _ => 0)) in Ht by auto. rewrite rsum_zero in Ht. lra. }
  set (m := rsum n (fun l => t l * x l)) in *.
  eapply Rle_trans.
  - apply rsum_le with (g := fun l => (ln m - 1) * t l + / m * (t l * x l)). intros l Hl. destruct (H l Hl) as [H1 H2].
    pose proof (ln_tangent (x l) m H2 Hn).
    replace ((ln m - 1) * t l + / m * (t l * x l)) with (t l * (ln m + x l / m - 1)) by (field; lra).
    apply Rmult_le_compat_l; auto.
  - rewrite rsum_plus, !rsum_scal, Ht. fold m. rewrite Rinv_l by lra. lra.
Qed.

Lemma exists_bound {X} (l : list X) (phi : X -> R) : exists G, 0 < G /\ forall x, In x l -> phi x <= G.
Proof.
  induction l as [|a l [G [HG H]]]. exists 1. split; [lra|]. intros x [].
  exists (Rmax G (phi a)). split. eapply Rlt_le_trans; [exact HG | apply Rmax_l].
  intros x [<-|Hx]. apply Rmax_r. eapply Rle_trans; [apply H; auto | apply Rmax_l].
Qed.

Lemma ln_sqrt x : 0 < x -> ln (sqrt x) = / 2 * ln x.
Proof. intros Hx. rewrite <- (sqrt_sqrt x) at 2 by lra. rewrite ln_mult by (now apply sqrt_lt_R0). lra. Qed.

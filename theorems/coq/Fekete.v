(* Fekete's lemma: a subadditive sequence that is at least -B n divided by n tends to its infimum. *)
From Coq Require Import Reals Lra Lia Psatz Arith.
From SgdVerify Require Import Logarithms.
Open Scope R_scope.

Section Fekete.
Variable a : nat -> R.
Hypothesis sub : forall n m, a (n + m)%nat <= a n + a m.

Lemma sub_mul k : forall q r, a (q * k + r)%nat <= INR q * a k + a r.
Proof.
  induction q; intros r. simpl; lra.
  rewrite S_INR. replace (S q * k + r)%nat with (k + (q * k + r))%nat by lia.
  pose proof (sub k (q * k + r)). pose proof (IHq r). lra.
Qed.

Lemma max_bound (k : nat) : exists C, 0 <= C /\ forall r, (r < k)%nat -> a r <= C.
Proof.
  induction k. exists 0; split; [lra|]; intros; lia.
  destruct IHk as [C [HC H]]. exists (Rmax C (a k)). split.
  eapply Rle_trans; [exact HC | apply Rmax_l].
  intros r Hr. destruct (Nat.eq_dec r k) as [->|]. apply Rmax_r.
  eapply Rle_trans; [apply H; lia | apply Rmax_l].
Qed.

(* a n <= n * (a k / k) + D *)
Lemma fekete_upper k : (0 < k)%nat ->
  exists D, 0 <= D /\ forall n, a n <= INR n * (a k / INR k) + D.
Proof.
  intros Hk. destruct (max_bound k) as [C [HC HB]].
  exists (C + Rabs (a k)). split. pose proof (Rabs_pos (a k)); lra.
  intros n. pose proof (Nat.div_mod n k ltac:(lia)) as Hn.
  set (q := (n / k)%nat) in *. set (r := (n mod k)%nat) in *.
  assert (Hr : (r < k)%nat) by (apply Nat.mod_upper_bound; lia).
  replace n with (q * k + r)%nat at 1 by lia.
  pose proof (sub_mul k q r). pose proof (HB r Hr).
  assert (Hk' : 0 < INR k) by (apply lt_0_INR; auto).
  assert (E : INR n = INR q * INR k + INR r).
  { rewrite Hn at 1. rewrite plus_INR, mult_INR. lra. }
  rewrite E.
  assert (E2 : (INR q * INR k + INR r) * (a k / INR k) = INR q * a k + INR r / INR k * a k).
  { field. lra. }
  rewrite E2.
  assert (Hrk : 0 <= INR r / INR k <= 1).
  { split. apply Rmult_le_pos; [apply pos_INR | left; apply Rinv_0_lt_compat; auto].
    apply Rmult_le_reg_r with (INR k); auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
    rewrite Rmult_1_r, Rmult_1_l. left; apply lt_INR; auto. }
  assert (- Rabs (a k) <= INR r / INR k * a k).
  { assert (Hab : - Rabs (a k) <= a k) by (pose proof (Rle_abs (- a k)); rewrite Rabs_Ropp in *; lra).
    pose proof (Rabs_pos (a k)). nra. }
  lra.
Qed.

Theorem fekete (B : R) : (forall n, - B * INR n <= a n) ->
  exists l, Un_cv (fun n => a n / INR n) l /\
            (forall n, (0 < n)%nat -> l <= a n / INR n).
Proof.
  intros HB.
  set (E := fun x => exists n, (0 < n)%nat /\ x = - (a n / INR n)).
  assert (bd : bound E).
  { exists B. intros x [n [Hn ->]].
    assert (0 < INR n) by (apply lt_0_INR; auto). pose proof (HB n).
    apply Rmult_le_reg_r with (INR n); auto. field_simplify; lra. }
  assert (ne : exists x, E x) by (exists (- (a 1%nat / INR 1)), 1%nat; split; [lia|auto]).
  destruct (completeness E bd ne) as [M [HM1 HM2]].
  assert (Hinf : forall n, (0 < n)%nat -> - M <= a n / INR n).
  { intros n Hn. assert (E (- (a n / INR n))) by (exists n; auto). specialize (HM1 _ H). lra. }
  exists (- M). split; [|exact Hinf].
  intros eps Heps.
  assert (Hk : exists k, (0 < k)%nat /\ a k / INR k < - M + eps / 2).
  { destruct (Classical_Prop.classic (exists k, (0 < k)%nat /\ a k / INR k < - M + eps / 2)) as [H|H]; auto.
    exfalso. assert (is_upper_bound E (M - eps/2)).
    { intros x [n [Hn ->]]. destruct (Rlt_le_dec (a n / INR n) (- M + eps/2)); [|lra].
      exfalso; apply H; exists n; auto. }
    specialize (HM2 _ H0). lra. }
  destruct Hk as [k [Hk0 Hk]].
  destruct (fekete_upper k Hk0) as [D [HD HU]].
  destruct (INR_unbounded (2 * D / eps)) as [n0 Hn0].
  exists (S n0). intros n Hn. unfold R_dist.
  assert (Hn' : (0 < n)%nat) by lia.
  pose proof (Hinf n Hn').
  assert (0 < INR n) by (apply lt_0_INR; auto).
  assert (INR n0 <= INR n) by (apply le_INR; lia).
  assert (HDn : D / INR n < eps / 2).
  { apply Rmult_lt_reg_r with (INR n); auto. unfold Rdiv at 1.
    rewrite Rmult_assoc, Rinv_l by lra. 
    assert (2 * D / eps < INR n) by lra.
    apply Rmult_lt_compat_r with (r := eps / 2) in H2; [|lra].
    replace (2 * D / eps * (eps / 2)) with D in H2 by (field; lra). lra. }
  assert (a n / INR n <= a k / INR k + D / INR n).
  { apply Rmult_le_reg_r with (INR n); auto. pose proof (HU n).
    replace (a n / INR n * INR n) with (a n) by (field; lra).
    replace ((a k / INR k + D / INR n) * INR n) with (INR n * (a k / INR k) + D).
    lra. field. split. lra. apply not_0_INR; lia. }
  rewrite Rabs_right; lra.
Qed.
End Fekete.

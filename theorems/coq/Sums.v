(* Finite sums of real numbers: f 0 + ... + f (n - 1), and the Cauchy-Schwarz inequality. *)
From Coq Require Import Reals Lra Lia Arith.
Open Scope R_scope.

Fixpoint rsum (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S m => rsum m f + f m end.

Lemma rsum_ext n f g : (forall i, (i < n)%nat -> f i = g i) -> rsum n f = rsum n g.
Proof. induction n; simpl; intros H; auto. rewrite IHn, (H n); auto. Qed.

Lemma rsum_le n f g : (forall i, (i < n)%nat -> f i <= g i) -> rsum n f <= rsum n g.
Proof.
  induction n; simpl; intros H; [lra|].
  assert (f n <= g n) by (apply H; lia).
  assert (rsum n f <= rsum n g) by (apply IHn; intros; apply H; lia). lra.
Qed.

Lemma rsum_plus n f g : rsum n (fun i => f i + g i) = rsum n f + rsum n g.
Proof. induction n; simpl; [lra | rewrite IHn; lra]. Qed.

Lemma rsum_scal n c f : rsum n (fun i => c * f i) = c * rsum n f.
Proof. induction n; simpl; [lra | rewrite IHn; lra]. Qed.

Lemma rsum_scal_r n c f : rsum n (fun i => f i * c) = rsum n f * c.
Proof. induction n; simpl; [lra | rewrite IHn; lra]. Qed.

Lemma rsum_zero n : rsum n (fun _ => 0) = 0.
Proof. induction n; simpl; lra. Qed.

Lemma rsum_const n c : rsum n (fun _ => c) = INR n * c.
Proof. induction n. simpl; lra. rewrite S_INR. simpl. rewrite IHn. lra. Qed.

Lemma rsum_nonneg n f : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= rsum n f.
Proof. intros H. rewrite <- (rsum_zero n). apply rsum_le; auto. Qed.

Lemma rsum_swap n m f :
  rsum n (fun i => rsum m (fun j => f i j)) = rsum m (fun j => rsum n (fun i => f i j)).
Proof.
  induction n; simpl. now rewrite rsum_zero.
  now rewrite IHn, rsum_plus.
Qed.

Lemma rsum_term_le n f i : (i < n)%nat -> (forall j, (j < n)%nat -> 0 <= f j) -> f i <= rsum n f.
Proof.
  induction n; intros Hi H; [lia|]. simpl.
  assert (0 <= rsum n f) by (apply rsum_nonneg; intros; apply H; lia).
  destruct (Nat.eq_dec i n) as [->|]. lra.
  assert (f i <= rsum n f) by (apply IHn; [lia| intros; apply H; lia]).
  assert (0 <= f n) by (apply H; lia). lra.
Qed.

Lemma rsum_delta n i f : (i < n)%nat ->
  rsum n (fun k => (if Nat.eqb i k then 1 else 0) * f k) = f i.
Proof.
  induction n; intros Hi; [lia|]. simpl.
  destruct (Nat.eq_dec i n) as [->|Hne].
  - rewrite Nat.eqb_refl.
    rewrite (rsum_ext n _ (fun _ => 0)). rewrite rsum_zero; lra.
    intros k Hk. replace (Nat.eqb n k) with false; [lra|].
    symmetry; apply Nat.eqb_neq; lia.
  - replace (Nat.eqb i n) with false by (symmetry; apply Nat.eqb_neq; lia).
    rewrite IHn by lia. lra.
Qed.

Lemma rsum_pos n f i : (i < n)%nat -> (forall j, (j < n)%nat -> 0 <= f j) -> 0 < f i -> 0 < rsum n f.
Proof. intros Hi H Hp. pose proof (rsum_term_le n f i Hi H). lra. Qed.

Lemma rsum_abs n f : Rabs (rsum n f) <= rsum n (fun i => Rabs (f i)).
Proof.
  induction n; simpl. rewrite Rabs_R0; lra.
  pose proof (Rabs_triang (rsum n f) (f n)). lra.
Qed.

Lemma rsum_shift n f : rsum (S n) f = f 0%nat + rsum n (fun i => f (S i)).
Proof. induction n. simpl; lra. simpl in *. rewrite IHn. lra. Qed.

Lemma rsum_two_terms n f f' i j : (i < n)%nat -> (j < n)%nat -> i <> j ->
  (forall l, (l < n)%nat -> l <> i -> l <> j -> f l = f' l) -> f i + f j = f' i + f' j -> rsum n f = rsum n f'.
Proof.
  intros Hi Hj Hij H E.
  set (g := fun l => f' l - f l).
  assert (G : rsum n g = 0).
  { rewrite (rsum_ext n g (fun l => (if Nat.eqb i l then 1 else 0) * g l + (if Nat.eqb j l then 1 else 0) * g l)).
    rewrite rsum_plus, !rsum_delta by auto. unfold g; lra.
    intros l Hl. destruct (Nat.eqb_spec i l); destruct (Nat.eqb_spec j l); subst; try lra; try congruence.
    unfold g. rewrite H by auto. lra. }
  assert (rsum n f' = rsum n f + rsum n g).
  { rewrite <- rsum_plus. apply rsum_ext; intros; unfold g; lra. }
  lra.
Qed.

(* Cauchy-Schwarz *)
Lemma cauchy_schwarz_step S X Y a b : 0 <= X -> 0 <= Y -> S^2 <= X * Y -> 2 * (S * (a * b)) <= X * b^2 + Y * a^2.
Proof.
  intros HX HY HS.
  set (T := X * b^2 + Y * a^2).
  assert (HT : 0 <= T).
  { unfold T. pose proof (pow2_ge_0 a). pose proof (pow2_ge_0 b). nra. }
  apply Rsqr_incr_0_var; [|exact HT]. unfold Rsqr.
  assert (H1 : (2 * (S * (a * b))) * (2 * (S * (a * b))) <= 4 * (X * Y) * (a*b)^2).
  { replace ((2 * (S * (a * b))) * (2 * (S * (a * b)))) with (4 * S^2 * (a*b)^2) by ring.
    apply Rmult_le_compat_r; [apply pow2_ge_0 | lra]. }
  assert (H2 : 4 * (X * Y) * (a*b)^2 <= T * T).
  { assert (0 <= (X * b^2 - Y * a^2)^2) by apply pow2_ge_0.
    replace (T * T) with ((X * b^2 - Y * a^2)^2 + 4 * (X * Y) * (a*b)^2) by (unfold T; ring). lra. }
  lra.
Qed.

Lemma cauchy_schwarz n f g :
  (rsum n (fun i => f i * g i))^2 <= rsum n (fun i => (f i)^2) * rsum n (fun i => (g i)^2).
Proof.
  induction n; cbn [rsum]. simpl; lra.
  set (S := rsum n (fun i => f i * g i)) in *.
  set (X := rsum n (fun i => (f i)^2)) in *.
  set (Y := rsum n (fun i => (g i)^2)) in *.
  assert (HX : 0 <= X) by (apply rsum_nonneg; intros; apply pow2_ge_0).
  assert (HY : 0 <= Y) by (apply rsum_nonneg; intros; apply pow2_ge_0).
  pose proof (cauchy_schwarz_step S X Y (f n) (g n) HX HY IHn) as H.
  replace ((S + f n * g n)^2) with (S^2 + 2 * (S * (f n * g n)) + (f n)^2 * (g n)^2) by ring.
  replace ((X + f n ^2) * (Y + g n ^2)) with (X * Y + (X * g n ^2 + Y * f n ^2) + f n ^2 * g n ^2) by ring.
  lra.
Qed.


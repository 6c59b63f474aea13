(* The sum rule, fact E4: lambda >= (1/d) E ln |det A_i|. `multiplicative_lower` is the argument for any dimension (a multiplicative
   function D with |D M| <= ||M||^d in place of the determinant); `determinant_bound` is the case d = 2, by computation. *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith Bool.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent IntegerFamily Comparison.
Import ListNotations.
Open Scope R_scope.

Section Multiplicative.
(* any multiplicative D with |D M| <= ||M||^d *)
Variables (d N : nat) (p : nat -> R) (A : nat -> mat).
Hypothesis Hp : probability N p.
Hypothesis Hd : (0 < d)%nat.
Variable D : mat -> R.
Hypothesis Dmul : forall M M', D (mul d M M') = D M * D M'.
Hypothesis Did : D eye = 1.
Hypothesis Dnu : forall M, Rabs (D M) <= frobenius d M ^ d.
Hypothesis DA : forall i, (i < N)%nat -> D (A i) <> 0.

Lemma reachable_nonzero M : reachable d N A M -> D M <> 0.
Proof.
  intros [w [Hw ->]]. induction w as [|i w IH]; simpl. rewrite Did; lra.
  rewrite Dmul. apply Rmult_integral_contrapositive. split. apply DA, Hw; left; auto. apply IH. intros; apply Hw; right; auto.
Qed.
Lemma nonzero_never_zero : never_zero d N A.
Proof.
  intros M HM. destruct (frobenius_nonneg d M) as [|E0]; auto. exfalso. pose proof (Dnu M). rewrite <- E0 in H.
  rewrite pow_i in H by auto. pose proof (Rabs_pos_lt _ (reachable_nonzero M HM)). lra.
Qed.
Lemma log_determinant_grows n : forall M, reachable d N A M -> INR n * E N p (fun i => ln (Rabs (D (A i)))) + ln (Rabs (D M)) <= word_mean d N p A n (fun M => ln (Rabs (D M))) M.
Proof.
  induction n; intros M HM. simpl; lra.
  rewrite S_INR. cbn [word_mean].
  eapply Rle_trans; [| apply (E_le N p Hp); intros i Hi; apply (IHn _ (reachable_step d N A i M Hi HM))].
  set (c := E N p (fun i => ln (Rabs (D (A i))))) in *.
  apply Rle_trans with (E N p (fun i => (INR n * c + ln (Rabs (D M))) + ln (Rabs (D (A i))))).
  - rewrite E_plus, (E_const N p Hp). fold c. lra.
  - right. apply E_ext. intros i Hi. rewrite Dmul, Rabs_mult, ln_mult. ring. apply Rabs_pos_lt, DA; auto. apply Rabs_pos_lt, reachable_nonzero; auto.
Qed.
Theorem multiplicative_lower : (E N p (fun i => ln (Rabs (D (A i)))) / INR d <= lyapunov d N p A)%ext.
Proof.
  set (c := E N p (fun i => ln (Rabs (D (A i))))). assert (HdR : 0 < INR d) by (apply lt_0_INR; auto).
  apply (lyapunov_at_least d N p A Hp Hd (c / INR d) 0). exact nonzero_never_zero. intros n.
  pose proof (log_determinant_grows n eye (reachable_eye d N A)) as H. rewrite Did, Rabs_R1, ln_1 in H. fold c in H.
  assert (H2 : word_mean d N p A n (fun M => ln (Rabs (D M))) eye <= word_mean d N p A n (fun M => INR d * ln (frobenius d M)) eye).
  { apply (word_mean_le d N p A Hp n _ _ (reachable d N A)). intros; apply reachable_step; auto. 2: apply reachable_eye.
    intros M HM. rewrite <- ln_pow_nat by (apply nonzero_never_zero; auto). apply ln_le_ln; auto. apply Rabs_pos_lt, reachable_nonzero; auto. }
  rewrite word_mean_scal in H2. unfold mean_log.
  apply Rmult_le_reg_l with (INR d); auto. replace (INR d * (c / INR d * INR n - 0)) with (INR n * c) by (field; lra). lra.
Qed.
End Multiplicative.

Definition det2 (M : mat) : R := M 0%nat 0%nat * M 1%nat 1%nat - M 0%nat 1%nat * M 1%nat 0%nat.
Lemma det2_le_frobenius M : Rabs (det2 M) <= frobenius 2 M ^ 2.
Proof.
  unfold frobenius. rewrite pow2_sqrt by apply frobenius_square_nonneg. unfold det2. cbn [rsum].
  set (a := M 0%nat 0%nat). set (b := M 0%nat 1%nat). set (c := M 1%nat 0%nat). set (e := M 1%nat 1%nat).
  apply Rabs_le. pose proof (sq_nonneg (a - e)). pose proof (sq_nonneg (b + c)). pose proof (sq_nonneg (a + e)). pose proof (sq_nonneg (b - c)).
  pose proof (sq_nonneg a). pose proof (sq_nonneg b). pose proof (sq_nonneg c). pose proof (sq_nonneg e). split; nra.
Qed.

Definition integer_det (r : list (list Z)) : Z := (entry r 0 0 * entry r 1 1 - entry r 0 1 * entry r 1 0)%Z.
Definition invertible_plane (m : model) : bool := (dim m =? 2)%nat && forallb (fun b => negb (integer_det (rows b) =? 0)%Z) (branches m).
Definition determinants (m : model) : Z := weighted_product (branches m) (map (fun b => Z.abs (integer_det (rows b))) (branches m)).
Definition squared_denominators (m : model) : Z := weighted_product (branches m) (map (fun b => denominator b ^ 2)%Z (branches m)).

Theorem determinant_bound m : well_formed m = true -> invertible_plane m = true ->
  (log_bound (determinants m) (squared_denominators m) (2 * total_weight m) <= model_exponent m)%ext.
Proof.
  intros Hwf H. unfold invertible_plane in H. rewrite andb_true_iff in H. destruct H as [Hd Hnz].
  apply Nat.eqb_eq in Hd. rewrite forallb_forall in Hnz.
  assert (Hb : forall b, In b (branches m) -> (0 < weight b)%Z) by (intros; apply (branch_facts m Hwf); auto).
  assert (Hq : forall b, In b (branches m) -> (0 < denominator b)%Z) by (intros; apply (branch_facts m Hwf); auto).
  assert (Hz : forall b, In b (branches m) -> (0 < Z.abs (integer_det (rows b)))%Z).
  { intros b Hin. specialize (Hnz b Hin). apply negb_true_iff, Z.eqb_neq in Hnz. lia. }
  assert (Hdet : forall i, (i < count m)%nat -> det2 (step m i) = IZR (integer_det (rows (nth i (branches m) no_branch))) / IZR (denominator (nth i (branches m) no_branch)) ^ 2).
  { intros i Hi. assert (0 < IZR (denominator (nth i (branches m) no_branch))) by (apply IZR_lt, Hq, branch_in; auto).
    unfold det2, step, integer_det. rewrite minus_IZR, !mult_IZR. field. lra. }
  unfold model_exponent. rewrite Hd.
  eapply ext_le_trans; [| apply (multiplicative_lower 2 (count m) (prob m) (step m) (model_probability m Hwf) ltac:(lia) det2)].
  - cbn [ext_le]. unfold log_bound. pose proof (total_weight_pos m Hwf) as HP. apply IZR_lt in HP.
    assert (Hq2 : forall x, In x (map (fun b => denominator b ^ 2)%Z (branches m)) -> (0 < x)%Z).
    { intros x Hx. apply in_map_iff in Hx. destruct Hx as [b [<- Hin]]. apply Z.pow_pos_nonneg; [auto|lia]. }
    assert (Hdz : forall x, In x (map (fun b => Z.abs (integer_det (rows b))) (branches m)) -> (0 < x)%Z).
    { intros x Hx. apply in_map_iff in Hx. destruct Hx as [b [<- Hin]]. auto. }
    unfold determinants, squared_denominators. rewrite !ln_weighted_product; auto; try apply map_length. fold (count m). rewrite mult_IZR.
    right. unfold E.
    rewrite (rsum_ext (count m) (fun i => prob m i * _) (fun i => / IZR (total_weight m) * (IZR (weight (nth i (branches m) no_branch)) * ln (IZR (nth i (map (fun b => Z.abs (integer_det (rows b))) (branches m)) 0%Z)) + (-1) * (IZR (weight (nth i (branches m) no_branch)) * ln (IZR (nth i (map (fun b => denominator b ^ 2)%Z (branches m)) 0%Z)))))).
    + rewrite rsum_scal, rsum_plus, rsum_scal. simpl INR. field. lra.
    + intros i Hi. rewrite Hdet by auto. rewrite !(nth_map _ _ _ no_branch) by auto.
      assert (Hqi : 0 < IZR (denominator (nth i (branches m) no_branch))) by (apply IZR_lt, Hq, branch_in; auto).
      assert (Hdi : 0 < IZR (Z.abs (integer_det (rows (nth i (branches m) no_branch))))) by (apply IZR_lt, Hz, branch_in; auto).
      unfold Rdiv. rewrite Rabs_mult, <- abs_IZR.
      rewrite (Rabs_right (/ IZR (denominator (nth i (branches m) no_branch)) ^ 2)).
      2:{ apply Rle_ge. left. apply Rinv_0_lt_compat, pow_lt; auto. }
      rewrite ln_mult; auto. 2: apply Rinv_0_lt_compat, pow_lt; auto.
      rewrite ln_Rinv by (apply pow_lt; auto). rewrite ln_pow_nat by auto.
      rewrite ln_Zpow by (auto; try lia; apply Hq, branch_in; auto).
      unfold prob, Rdiv. simpl INR. ring.
  - intros M M'. unfold det2, mul. cbn [rsum]. ring.
  - unfold det2, eye. simpl. ring.
  - apply det2_le_frobenius.
  - intros i Hi. rewrite Hdet by auto. apply Rmult_integral_contrapositive. split.
    + apply not_0_IZR. pose proof (Hz _ (branch_in m i Hi)). lia.
    + apply Rinv_neq_0_compat, pow_nonzero, not_0_IZR. pose proof (Hq _ (branch_in m i Hi)). lia.
Qed.

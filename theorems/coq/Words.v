(* Upper bounds by words: lambda <= (1/2n) E ln ||A_w||^2 over the words w of length n, in the Frobenius norm of a scalar product
   <x, Q x>, Q = L^T D L: ||M||^2 = trace(Q^-1 M^T Q M). A metric gives D, L and W = omega L^-1 in integers, and e_j = c / D_j. *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith Bool.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent Invariance IntegerFamily Comparison.
Import ListNotations.
Open Scope R_scope.

Record metric := Metric { metric_rows : list (list Z); metric_columns : list (list Z); omega : Z; weights : list Z; coweights : list Z; product : Z }.
Definition kronecker (i j : nat) (c : Z) : Z := if Nat.eqb i j then c else 0%Z.
Definition metric_ok (d : nat) (g : metric) : bool :=
  (length (metric_rows g) =? d)%nat && (length (metric_columns g) =? d)%nat &&
  forallb (fun r => (length r =? d)%nat) (metric_rows g) && forallb (fun c => (length c =? d)%nat) (metric_columns g) &&
  (0 <? omega g)%Z && (0 <? product g)%Z &&
  forallb (fun i => (0 <? nth i (weights g) 0)%Z && (0 <? nth i (coweights g) 0)%Z && (nth i (weights g) 0 * nth i (coweights g) 0 =? product g)%Z) (seq 0 d) &&
  forallb (fun i => forallb (fun j =>
    (dot (nth i (metric_rows g) nil) (nth j (metric_columns g) nil) =? kronecker i j (omega g))%Z &&
    (zsum (map (fun m => entry (metric_columns g) m i * entry (metric_rows g) m j)%Z (seq 0 d)) =? kronecker i j (omega g))%Z) (seq 0 d)) (seq 0 d).

Section Words.
Variable m : model.
Hypothesis Hwf : well_formed m = true.
Let d := dim m.
Variable g : metric.
Hypothesis Hg : metric_ok d g = true.

(* c omega^2 Q^2 ||M||^2, where the columns are those of Q M W *)
Definition square (columns : list (list Z)) : Z :=
  zsum (map (fun j => nth j (coweights g) 0 * zsum (map (fun i => nth i (weights g) 0 * dot (nth i (metric_rows g) nil) (nth j columns nil) ^ 2) (seq 0 (dim m))))%Z (seq 0 (dim m))).
Fixpoint product_over_steps (bs : list branch) (f : list (list Z) -> Z) (cols : list (list Z)) : Z :=
  match bs with nil => 1%Z | b :: bs => ((f (map (image (rows b)) cols)) ^ (weight b) * product_over_steps bs f cols)%Z end.
(* The product of the squares over all words of length n, to the powers of their weights *)
Fixpoint norm_product (n : nat) (cols : list (list Z)) : Z :=
  match n with O => Z.max (square cols) 1 | S n => product_over_steps (branches m) (norm_product n) cols end.

Let P := IZR (total_weight m).
Lemma P_pos : 0 < P. Proof. apply IZR_lt, total_weight_pos; auto. Qed.

Lemma zsum_map_rsum {X} (f : X -> Z) (l : list X) (x0 : X) n : length l = n ->
  IZR (zsum (map f l)) = rsum n (fun i => IZR (f (nth i l x0))).
Proof. intros <-. rewrite zsum_rsum, map_length. apply rsum_ext; intros i Hi. now rewrite (nth_map f l i x0 0%Z Hi). Qed.

Lemma metric_facts :
  (forall i, (i < d)%nat -> length (nth i (metric_rows g) nil) = d /\ length (nth i (metric_columns g) nil) = d) /\ length (metric_columns g) = d /\
  (0 < omega g)%Z /\ (0 < product g)%Z /\
  (forall i, (i < d)%nat -> (0 < nth i (weights g) 0)%Z /\ (0 < nth i (coweights g) 0)%Z /\ (nth i (weights g) 0 * nth i (coweights g) 0 = product g)%Z) /\
  (forall i j, (i < d)%nat -> (j < d)%nat -> dot (nth i (metric_rows g) nil) (nth j (metric_columns g) nil) = kronecker i j (omega g)) /\
  (forall i j, (i < d)%nat -> (j < d)%nat -> rsum d (fun m => IZR (entry (metric_columns g) m i) * IZR (entry (metric_rows g) m j)) = IZR (kronecker i j (omega g))).
Proof.
  pose proof Hg as H. unfold metric_ok in H. rewrite !andb_true_iff in H. destruct H as [[[[[[[H1 H2] H3] H4] H5] H6] H7] H8].
  apply Nat.eqb_eq in H1, H2. apply Z.ltb_lt in H5, H6. rewrite forallb_forall in H3, H4, H7, H8.
  split; [|split; [auto|split; [auto|split; [auto|split; [|split]]]]].
  - intros i Hi. split; apply Nat.eqb_eq; [apply H3 | apply H4]; apply nth_In; lia.
  - intros i Hi. specialize (H7 i ltac:(apply in_seq; lia)). rewrite !andb_true_iff in H7. destruct H7 as [[A1 A2] A3].
    apply Z.ltb_lt in A1, A2. apply Z.eqb_eq in A3. auto.
  - intros i j Hi Hj. specialize (H8 i ltac:(apply in_seq; lia)). rewrite forallb_forall in H8. specialize (H8 j ltac:(apply in_seq; lia)).
    apply andb_true_iff in H8. now apply Z.eqb_eq.
  - intros i j Hi Hj. specialize (H8 i ltac:(apply in_seq; lia)). rewrite forallb_forall in H8. specialize (H8 j ltac:(apply in_seq; lia)).
    apply andb_true_iff in H8. destruct H8 as [_ H8]. apply Z.eqb_eq in H8. rewrite <- H8.
    rewrite (zsum_map_rsum _ (seq 0 d) 0%nat d (seq_length d 0)). apply rsum_ext. intros k Hk. rewrite seq_nth by auto. now rewrite mult_IZR.
Qed.

(* The change of coordinates T = sqrt(D) L and its inverse *)
Definition root_weight (i : nat) : R := sqrt (IZR (nth i (weights g) 0%Z)).
Definition change : mat := fun i k => root_weight i * IZR (entry (metric_rows g) i k).
Definition change_back : mat := fun k j => IZR (nth k (nth j (metric_columns g) nil) 0%Z) / (IZR (omega g) * root_weight j).
Definition conjugate (i : nat) : mat := mul d change (mul d (step m i) change_back).
Definition metric_norm (M : mat) : R := frobenius d (mul d change (mul d M change_back)).

Lemma root_weight_pos i : (i < d)%nat -> 0 < root_weight i.
Proof. intros Hi. apply sqrt_lt_R0, IZR_lt. now apply metric_facts. Qed.
Lemma omega_pos : 0 < IZR (omega g). Proof. apply IZR_lt. apply metric_facts. Qed.

Lemma change_back_change : entries_eq d d (mul d change_back change) eye.
Proof.
  intros i j Hi Hj. unfold mul, change, change_back, eye. pose proof omega_pos as Ho. destruct metric_facts as [_ [_ [_ [_ [_ [_ H]]]]]].
  rewrite (rsum_ext d _ (fun k => / IZR (omega g) * (IZR (entry (metric_columns g) k i) * IZR (entry (metric_rows g) k j)))).
  2:{ intros k Hk. unfold entry. pose proof (root_weight_pos k Hk). field. lra. }
  rewrite rsum_scal, H by auto. unfold kronecker. destruct (Nat.eqb i j). field; lra. ring.
Qed.
Lemma change_change_back : entries_eq d d (mul d change change_back) eye.
Proof.
  intros i j Hi Hj. unfold mul, change, change_back, eye. pose proof omega_pos as Ho. destruct metric_facts as [Hlen [_ [_ [_ [_ [H _]]]]]].
  rewrite (rsum_ext d _ (fun k => root_weight i / (IZR (omega g) * root_weight j) * (IZR (nth k (nth i (metric_rows g) nil) 0%Z) * IZR (nth k (nth j (metric_columns g) nil) 0%Z)))).
  2:{ intros k Hk. unfold entry. pose proof (root_weight_pos j Hj). field. lra. }
  rewrite rsum_scal, <- (dot_rsum d) by (apply Hlen; auto). rewrite H by auto. unfold kronecker.
  destruct (Nat.eqb_spec i j). subst j. pose proof (root_weight_pos i Hi). field; lra. ring.
Qed.

Lemma entries_refl A : entries_eq d d A A. Proof. intros ? ? _ _; reflexivity. Qed.

(* T' (T X) = X *)
Lemma back_and_forth X : entries_eq d d (mul d change_back (mul d change X)) X.
Proof.
  intros i j Hi Hj. rewrite (mul_assoc d d). rewrite (mul_entries d d d _ eye _ X change_back_change (entries_refl X)) by auto. now apply eye_mul.
Qed.

Lemma conjugate_word w : entries_eq d d (word_product d conjugate w) (mul d change (mul d (word_product d (step m) w) change_back)).
Proof.
  induction w as [|i w IH]; intros j k Hj Hk; simpl.
  - rewrite (mul_entries d d d _ change _ change_back (entries_refl _)) by (auto; intros a b Ha Hb; now apply eye_mul). now rewrite change_change_back.
  - rewrite (mul_entries d d d _ _ _ _ (entries_refl (conjugate i)) IH) by auto. unfold conjugate.
    rewrite <- (mul_assoc d d). apply mul_entries with (m := d) (n := d); auto. apply entries_refl. clear j k Hj Hk. intros j k Hj Hk.
    rewrite <- (mul_assoc d d). rewrite (mul_entries d d d _ (step m i) _ _ (entries_refl _) (back_and_forth (mul d (word_product d (step m) w) change_back))) by auto.
    apply (mul_assoc d d).
Qed.

Lemma conjugate_exponent : (model_exponent m <= lyapunov d (count m) (prob m) conjugate)%ext.
Proof.
  apply (lyapunov_intertwined d d (count m) (prob m) conjugate (step m) change_back change (model_probability m Hwf) (dim_pos m Hwf) (dim_pos m Hwf)).
  - intros i Hi j k Hj Hk. unfold conjugate. now apply back_and_forth.
  - apply change_back_change.
Qed.

Lemma conjugate_truncated_log n del : truncated_log d (count m) (prob m) conjugate n del =
  word_mean d (count m) (prob m) (step m) n (fun M => ln (Rmax (metric_norm M) del)) eye.
Proof.
  unfold truncated_log. rewrite <- !words_mean. apply list_sum_ext. intros w. unfold metric_norm. now rewrite (frobenius_ext d _ _ (conjugate_word w)).
Qed.

(* ---------- squares of the norm in integers ---------- *)
Definition represents_product (M : mat) (Q : R) (cols : list (list Z)) :=
  (length cols = d /\ forall j, (j < d)%nat -> length (nth j cols nil) = d) /\ 0 < Q /\
  entries_eq d d (mul d M (fun k j => IZR (nth k (nth j (metric_columns g) nil) 0%Z))) (fun i j => IZR (nth i (nth j cols nil) 0%Z) / Q).
Let unit : R := IZR (omega g) * sqrt (IZR (product g)).
Lemma unit_pos : 0 < unit.
Proof. unfold unit. apply Rmult_lt_0_compat. apply omega_pos. apply sqrt_lt_R0, IZR_lt. apply metric_facts. Qed.

Lemma metric_norm_square M Q cols : represents_product M Q cols -> metric_norm M = sqrt (IZR (square cols)) / (unit * Q).
Proof.
  intros [[H1 H2] [HQ HM]]. pose proof omega_pos as Ho. pose proof unit_pos as Hu. destruct metric_facts as [Hlen [_ [_ [Hc [Hw _]]]]].
  assert (Hent : entries_eq d d (mul d change (mul d M change_back))
    (fun i j => root_weight i / (IZR (omega g) * root_weight j * Q) * IZR (dot (nth i (metric_rows g) nil) (nth j cols nil)))).
  { intros i j Hi Hj. rewrite (dot_rsum d) by (apply Hlen || apply H2; auto). rewrite <- rsum_scal. apply rsum_ext. intros k Hk. unfold change, entry.
    assert (E : mul d M change_back k j = mul d M (fun k j => IZR (nth k (nth j (metric_columns g) nil) 0%Z)) k j / (IZR (omega g) * root_weight j)).
    { unfold mul, change_back, Rdiv. rewrite <- rsum_scal_r. apply rsum_ext. intros; ring. }
    rewrite E, HM by auto. pose proof (root_weight_pos j Hj). field. lra. }
  unfold metric_norm. rewrite (frobenius_ext d _ _ Hent). unfold frobenius.
  rewrite <- (sqrt_pow2 (unit * Q)) by (left; now apply Rmult_lt_0_compat).
  assert (Hsq : 0 <= IZR (square cols)).
  { unfold square. rewrite (zsum_map_rsum _ (seq 0 (dim m)) 0%nat d (seq_length d 0)). apply rsum_nonneg. intros j Hj. rewrite seq_nth by auto. simpl plus.
    rewrite mult_IZR, (zsum_map_rsum _ (seq 0 (dim m)) 0%nat d (seq_length d 0)). apply Rmult_le_pos. left; apply IZR_lt; now apply Hw.
    apply rsum_nonneg. intros i Hi. rewrite seq_nth by auto. simpl plus. rewrite mult_IZR. apply Rmult_le_pos. left; apply IZR_lt; now apply Hw.
    change 2%Z with (Z.of_nat 2). rewrite <- pow_IZR. apply pow2_ge_0. }
  rewrite <- sqrt_div by (auto; apply pow_lt; now apply Rmult_lt_0_compat). f_equal.
  unfold square. rewrite (zsum_map_rsum _ (seq 0 (dim m)) 0%nat d (seq_length d 0)). unfold Rdiv. rewrite <- rsum_scal_r.
  rewrite rsum_swap. apply rsum_ext. intros j Hj. rewrite seq_nth by auto. simpl plus.
  rewrite mult_IZR, (zsum_map_rsum _ (seq 0 (dim m)) 0%nat d (seq_length d 0)).
  rewrite (Rmult_comm (IZR (nth j (coweights g) 0%Z))), !Rmult_assoc, <- rsum_scal_r. apply rsum_ext. intros i Hi. rewrite seq_nth by auto. simpl plus.
  rewrite mult_IZR. change 2%Z with (Z.of_nat 2). rewrite <- pow_IZR. set (x := IZR (dot _ _)).
  destruct (Hw i Hi) as [Wi _]. destruct (Hw j Hj) as [Wj [Cj Ej]]. apply IZR_lt in Wi, Wj, Cj.
  assert (Ri : root_weight i ^ 2 = IZR (nth i (weights g) 0%Z)) by (unfold root_weight; apply pow2_sqrt; lra).
  assert (Rj : root_weight j ^ 2 = IZR (nth j (weights g) 0%Z)) by (unfold root_weight; apply pow2_sqrt; lra).
  assert (Ru : unit ^ 2 = IZR (omega g) ^ 2 * (IZR (nth j (weights g) 0%Z) * IZR (nth j (coweights g) 0%Z))).
  { unfold unit. rewrite Rpow_mult_distr, pow2_sqrt by (apply IZR_le; lia). now rewrite <- mult_IZR, Ej. }
  pose proof (root_weight_pos j Hj).
  replace ((root_weight i * / (IZR (omega g) * (root_weight j * Q)) * x) ^ 2) with (root_weight i ^ 2 * x ^ 2 * / (IZR (omega g) ^ 2 * root_weight j ^ 2 * Q ^ 2)) by (field; lra).
  rewrite (Rpow_mult_distr unit Q 2), Ru, Ri, Rj. field. repeat split; lra.
Qed.

Lemma represents_step M Q cols i : (i < count m)%nat -> represents_product M Q cols -> let b := nth i (branches m) no_branch in
  represents_product (mul d (step m i) M) (Q * IZR (denominator b)) (map (image (rows b)) cols).
Proof.
  intros Hi [[H1 H2] [HQ HM]] b. destruct (branch_facts m Hwf b (branch_in m i Hi)) as [HbP [Hbq [HbL HbR]]]. fold d in HbL, HbR.
  assert (Hq : 0 < IZR (denominator b)) by (apply IZR_lt; auto).
  split; [|split].
  - split. rewrite map_length; auto. intros j Hj. rewrite (nth_map _ _ _ nil) by lia. unfold image. rewrite map_length; auto.
  - apply Rmult_lt_0_compat; auto.
  - intros k j Hk Hj. rewrite <- (mul_assoc d d). rewrite (mul_entries d d d _ _ _ _ (entries_refl (step m i)) HM) by auto.
    rewrite (nth_map _ _ _ nil) by lia. unfold image. rewrite (nth_map _ _ _ nil) by lia.
    rewrite (dot_rsum d) by auto. unfold Rdiv. rewrite <- rsum_scal_r. unfold mul. apply rsum_ext; intros l Hl. unfold step, entry. fold b. field. lra.
Qed.
Lemma represents_eye : represents_product eye 1 (metric_columns g).
Proof.
  destruct metric_facts as [Hlen [Hl _]]. split; [split; [auto | apply Hlen] | split; [lra|]].
  intros i j Hi Hj. rewrite eye_mul by auto. field.
Qed.

Lemma product_over_steps_pos (f : list (list Z) -> Z) cols bs : (forall c, (0 < f c)%Z) -> (forall b, In b bs -> (0 < weight b)%Z) -> (0 < product_over_steps bs f cols)%Z.
Proof.
  intros Hf. induction bs as [|b bs IH]; intros Hb; cbn [product_over_steps]. lia.
  assert (HbP : (0 < weight b)%Z) by (apply Hb; left; auto).
  apply Z.mul_pos_pos. apply Z.pow_pos_nonneg; [apply Hf | lia]. apply IH. intros; apply Hb; right; auto.
Qed.
Lemma norm_product_pos n : forall cols, (0 < norm_product n cols)%Z.
Proof.
  induction n; intros cols; cbn [norm_product]. lia.
  apply product_over_steps_pos; auto. intros; apply (branch_facts m Hwf); auto.
Qed.
Lemma ln_product_over_steps n cols : ln (IZR (product_over_steps (branches m) (norm_product n) cols)) =
  rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)) * ln (IZR (norm_product n (map (image (rows (nth i (branches m) no_branch))) cols)))).
Proof.
  unfold count. assert (Hb : forall b, In b (branches m) -> (0 < weight b)%Z) by (intros; apply (branch_facts m Hwf); auto).
  revert Hb. generalize (branches m). induction l as [|b bs IH]; intros Hb. simpl. apply ln_1.
  assert (HbP : (0 < weight b)%Z) by (apply Hb; left; auto).
  cbn [length product_over_steps]. rewrite rsum_shift. cbn [nth].
  assert (G : (0 < product_over_steps bs (norm_product n) cols)%Z).
  { apply product_over_steps_pos. apply norm_product_pos. intros; apply Hb; right; auto. }
  rewrite mult_IZR, ln_mult. 2: apply IZR_lt, Z.pow_pos_nonneg; [apply norm_product_pos | lia]. 2: apply IZR_lt; auto.
  rewrite ln_Zpow. 2: apply norm_product_pos. 2: lia. rewrite IH; auto. intros; apply Hb; right; auto.
Qed.

(* E ln of the denominators *)
Let Elq := E (count m) (prob m) (fun i => ln (IZR (denominator (nth i (branches m) no_branch)))).


Lemma words_grow qm del : 0 < del -> (forall i, (i < count m)%nat -> IZR (denominator (nth i (branches m) no_branch)) <= qm) -> 1 <= qm ->
  forall n M Q cols, represents_product M Q cols -> del * (unit * Q) * qm ^ n <= 1 ->
  word_mean d (count m) (prob m) (step m) n (fun M => ln (Rmax (metric_norm M) del)) M <= / (2 * P ^ n) * ln (IZR (norm_product n cols)) - ln (unit * Q) - INR n * Elq.
Proof.
  intros Hdel Hqm Hqm1. pose proof P_pos as HP. pose proof unit_pos as Hunit.
  induction n; intros M Q cols HR Hs.
  - simpl in Hs |- *. rewrite (metric_norm_square M Q cols HR). destruct HR as [HO [HQ HM]]. assert (HuQ : 0 < unit * Q) by (now apply Rmult_lt_0_compat).
    set (F := Z.max (square cols) 1).
    assert (HF : 0 < IZR F) by (apply IZR_lt; unfold F; lia).
    assert (HF1 : 1 <= IZR F) by (apply IZR_le; unfold F; lia).
    assert (HFf : IZR (square cols) <= IZR F) by (apply IZR_le; unfold F; lia).
    assert (Hle : Rmax (sqrt (IZR (square cols)) / (unit * Q)) del <= sqrt (IZR F) / (unit * Q)).
    { apply Rmax_lub. apply Rmult_le_compat_r. left; apply Rinv_0_lt_compat; auto. apply sqrt_le_1_alt; auto.
      apply Rmult_le_reg_r with (unit * Q); auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
      assert (1 <= sqrt (IZR F)). { rewrite <- sqrt_1. apply sqrt_le_1_alt; auto. } lra. }
    eapply Rle_trans. apply ln_le_ln; [| exact Hle]. eapply Rlt_le_trans; [exact Hdel | apply Rmax_r].
    unfold Rdiv. rewrite ln_mult, ln_Rinv; auto. 2: apply sqrt_lt_R0; auto. 2: apply Rinv_0_lt_compat; auto.
    assert (El : ln (IZR F) = 2 * ln (sqrt (IZR F))).
    { rewrite <- (sqrt_sqrt (IZR F)) at 1 by lra. rewrite ln_mult by (apply sqrt_lt_R0; auto). ring. }
    fold F. rewrite El. lra.
  - cbn [word_mean norm_product]. rewrite ln_product_over_steps.
    destruct HR as [HO [HQ HM]]. assert (HR : represents_product M Q cols) by (repeat split; auto; apply HO).
    eapply Rle_trans.
    + apply (E_le (count m) (prob m) (model_probability m Hwf)). intros i Hi.
      apply (IHn _ _ _ (represents_step M Q cols i Hi HR)). rewrite <- (Rmult_assoc unit).
      assert (Hb : In (nth i (branches m) no_branch) (branches m)) by (apply branch_in; auto).
      assert (Hq : 0 < IZR (denominator (nth i (branches m) no_branch))) by (apply IZR_lt; apply (branch_facts m Hwf); auto).
      pose proof (Hqm i Hi). assert (0 < qm ^ n) by (apply pow_lt; lra). simpl in Hs.
      assert (HuQ : 0 < unit * Q) by (now apply Rmult_lt_0_compat).
      assert (del * (unit * Q) * qm ^ n * IZR (denominator (nth i (branches m) no_branch)) <= del * (unit * Q) * qm ^ n * qm).
      { apply Rmult_le_compat_l; auto. left. apply Rmult_lt_0_compat; auto. now apply Rmult_lt_0_compat. }
      lra.
    + right. unfold Elq at 2. unfold E.
      set (mm := count m).
      rewrite (rsum_ext mm _ (fun i => / (2 * P ^ S n) * (IZR (weight (nth i (branches m) no_branch)) * ln (IZR (norm_product n (map (image (rows (nth i (branches m) no_branch))) cols))))
         + ((- ln (unit * Q) - INR n * Elq) * prob m i + (-1) * (prob m i * ln (IZR (denominator (nth i (branches m) no_branch))))))).
      2:{ intros i Hi.
          assert (Hq : 0 < IZR (denominator (nth i (branches m) no_branch))) by (apply IZR_lt; apply (branch_facts m Hwf); apply branch_in; auto).
          rewrite <- (Rmult_assoc unit), ln_mult by (auto; now apply Rmult_lt_0_compat). unfold prob. fold P. simpl pow. field. split; [lra | apply pow_nonzero; lra]. }
      rewrite rsum_plus, rsum_plus, !rsum_scal. destruct (model_probability m Hwf) as [_ Hs1]. unfold mm. rewrite Hs1.
      rewrite S_INR. unfold Elq, E. ring.
Qed.


Definition words_upper (n : nat) : Z := norm_product n (metric_columns g).
Definition words_lower (n : nat) : Z :=
  ((denominator_product m) ^ (2 * Z.of_nat n * (total_weight m) ^ (Z.of_nat n - 1)) * (omega g ^ 2 * product g) ^ (total_weight m ^ Z.of_nat n))%Z.

Theorem words_bound n : (0 < n)%nat ->
  (model_exponent m <= log_bound (words_upper n) (words_lower n) (2 * Z.of_nat n * total_weight m ^ Z.of_nat n))%ext.
Proof.
  intros Hn. eapply ext_le_trans; [apply conjugate_exponent|].
  pose proof P_pos as HP. pose proof unit_pos as Hunit. pose proof omega_pos as Ho. destruct metric_facts as [_ [_ [HoZ [HcZ _]]]].
  assert (HcR : 0 < IZR (product g)) by (now apply IZR_lt).
  assert (HnR : 0 < INR n) by (apply lt_0_INR; auto).
  destruct (exists_bound (branches m) (fun b => IZR (denominator b))) as [G [HG HGb]].
  set (qm := Rmax 1 G). assert (Hqm1 : 1 <= qm) by apply Rmax_l.
  assert (Hqmn : 0 < qm ^ n) by (apply pow_lt; lra).
  set (del := / (unit * qm ^ n)). assert (Hdel : 0 < del) by (apply Rinv_0_lt_compat; now apply Rmult_lt_0_compat).
  apply (lyapunov_at_most d (count m) (prob m) conjugate (model_probability m Hwf) (dim_pos m Hwf)).
  apply (word_length_bound d (count m) (prob m) conjugate (model_probability m Hwf) (dim_pos m Hwf) n del); auto.
  rewrite conjugate_truncated_log. eapply Rle_trans.
  apply (words_grow qm del Hdel) with (Q := 1) (cols := metric_columns g); auto using represents_eye.
  - intros i Hi. eapply Rle_trans; [apply (HGb _ (branch_in m i Hi)) | apply Rmax_r].
  - right. unfold del. rewrite Rmult_1_r. field. split; [lra | lra].
  - rewrite Rmult_1_r. pose proof (norm_product_pos n (metric_columns g)) as HF. pose proof (denominator_product_pos m Hwf) as Hqp. pose proof (total_weight_pos m Hwf) as HPz.
    set (e := (2 * Z.of_nat n * total_weight m ^ (Z.of_nat n - 1))%Z).
    assert (He : (0 <= e)%Z). { unfold e. apply Z.mul_nonneg_nonneg. lia. apply Z.pow_nonneg. lia. }
    assert (Hu2 : (0 < omega g ^ 2 * product g)%Z) by (apply Z.mul_pos_pos; [apply Z.pow_pos_nonneg; lia | auto]).
    assert (HPp : (0 <= total_weight m ^ Z.of_nat n)%Z) by (apply Z.pow_nonneg; lia).
    assert (Hunit2 : ln (IZR (omega g ^ 2 * product g)) = 2 * ln unit).
    { replace (2 * ln unit) with (ln (unit ^ 2)). f_equal. 2: rewrite ln_pow_nat by auto; simpl INR; ring.
      unfold unit. rewrite Rpow_mult_distr, pow2_sqrt by lra. rewrite mult_IZR. change 2%Z with (Z.of_nat 2). now rewrite <- pow_IZR. }
    assert (HPn : P ^ n = P * P ^ (n - 1)). { destruct n; [lia|]. simpl. now rewrite Nat.sub_0_r. }
    assert (HPn1 : 0 < P ^ (n - 1)) by (apply pow_lt; auto).
    assert (EP : IZR (total_weight m ^ Z.of_nat n) = P ^ n) by (rewrite <- pow_IZR; reflexivity).
    assert (Ee : IZR e = 2 * INR n * P ^ (n - 1)).
    { unfold e. rewrite !mult_IZR, <- INR_IZR_INZ. f_equal. replace (Z.of_nat n - 1)%Z with (Z.of_nat (n - 1)) by lia. rewrite <- pow_IZR. reflexivity. }
    assert (EE : Elq = ln (IZR (denominator_product m)) / P).
    { rewrite ln_denominator_product by auto. unfold Elq, E, Rdiv. rewrite <- rsum_scal_r. apply rsum_ext; intros i Hi. unfold prob. fold P. unfold Rdiv. ring. }
    unfold log_bound, words_upper, words_lower. fold e. rewrite (mult_IZR (_ ^ e)), ln_mult by (apply IZR_lt, Z.pow_pos_nonneg; auto).
    rewrite !ln_Zpow by auto. rewrite Hunit2, EP, Ee, !mult_IZR, EP, <- INR_IZR_INZ, EE, HPn. right. field. lra.
Qed.
End Words.
